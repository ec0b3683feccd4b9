//! Requests per minute, in this process. Off unless set; quotas of tokens and cost will be judged
//! at the same place.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::{CallContext, GatewayError};

/// A bucket that fills with one token every `60 s / per_minute`.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

/// Judges each call before it is made.
pub(crate) struct Limits {
    per_minute: Option<u32>,
    buckets: Mutex<HashMap<Uuid, Bucket>>,
}

/// Above this many, buckets that are full again are thrown away.
const MANY_BUCKETS: usize = 10_000;

impl Limits {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute: per_minute.filter(|limit| *limit > 0), buckets: Mutex::default() }
    }

    /// Lets the call through or says when to try again. An API key has its own bucket.
    pub(crate) fn admit(&self, context: &CallContext, now: Instant) -> Result<(), GatewayError> {
        let Some(limit) = self.per_minute.map(f64::from) else { return Ok(()) };
        let who = context.api_key_id.unwrap_or(context.user_id);
        let mut buckets = self.buckets.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buckets.len() > MANY_BUCKETS {
            let minute = Duration::from_secs(60);
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.filled) < minute);
        }
        let bucket = buckets.entry(who).or_insert(Bucket { tokens: limit, filled: now });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * limit / 60.0).min(limit);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) * 60.0 / limit;
        Err(GatewayError::Limited { retry_after: Duration::from_secs_f64(wait) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Purpose;

    #[test]
    fn a_full_bucket_empties_and_fills_again() {
        let limits = Limits::new(Some(2));
        let context = CallContext::new(Uuid::from_u128(1), Purpose::Api);
        let other = CallContext::new(Uuid::from_u128(2), Purpose::Api);
        let start = Instant::now();
        assert!(limits.admit(&context, start).is_ok());
        assert!(limits.admit(&context, start).is_ok());
        let refused = limits.admit(&context, start);
        assert!(matches!(refused, Err(GatewayError::Limited { retry_after })
            if retry_after == Duration::from_secs(30)));
        assert!(limits.admit(&other, start).is_ok());
        assert!(limits.admit(&context, start + Duration::from_secs(30)).is_ok());
    }
}
