use std::time::Instant;

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{CallContext, Meter};
use crate::limits::{Dialect, RateStanding, Taken, describe_rates};
use crate::payloads::Capture;
use crate::quotas::{Asking, Forecast, Reserved, reserve};
use crate::routes::Attempt;
use crate::{Gateway, GatewayError, ModelConfig};

/// A call that was let through: what it took from its rate limits and reserved of its quotas.
/// Dropped before the call is made, it gives everything back.
pub(crate) struct Admission {
    began_at: DateTime<Utc>,
    taken: Taken,
    reserved: Option<Reserved>,
}

impl Admission {
    /// The call was made; what is reserved goes with its row.
    pub(crate) fn settle(self, tokens: u64) -> Option<Reserved> {
        self.taken.settle(tokens as f64);
        self.reserved
    }

    pub(crate) fn notice(&self) -> Notice {
        let warnings = self.reserved.as_ref().map(|reserved| reserved.warnings(self.began_at));
        let warnings = warnings.unwrap_or_default().join(", ");
        Notice { rates: self.taken.standing, warnings, attempt: Attempt::default() }
    }
}

/// How the limits of a call stand, for its answer's headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notice {
    rates: RateStanding,
    warnings: String,
    /// Which attempt of its request the call is, and for which route.
    pub(crate) attempt: Attempt,
}

impl Notice {
    pub(crate) fn describe(&self, headers: &mut HeaderMap, dialect: Dialect) {
        describe_rates(headers, &self.rates, dialect);
        if !self.warnings.is_empty()
            && let Ok(value) = HeaderValue::from_str(&self.warnings)
        {
            headers.insert(HeaderName::from_static("x-lyceum-quota-warning"), value);
        }
    }
}

impl Gateway {
    /// Lets a call through, or refuses it before it costs anything, and starts its meter. Whom
    /// nothing binds pays one look into memory; `forecast` is asked only where it matters.
    pub(crate) async fn begin(
        &self,
        context: CallContext,
        model: &ModelConfig,
        forecast: impl FnOnce() -> Forecast,
    ) -> Result<Meter, GatewayError> {
        let inner = &self.inner;
        let (call, now) = (lyceum_core::new_id(), inner.clock.now());
        let terms = inner.limits.terms(&inner.db, &context, now).await?;
        let route = context.attempt.route_id();
        let forecast = terms.want_forecast(model.id, route).then(forecast);
        let usage = forecast.map(|forecast| forecast.usage(model)).unwrap_or_default();
        let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        let taken = inner.limits.take(&terms, &context, model.id, tokens, Instant::now());
        let taken = taken.await?;
        let reserved = match terms.quotas.is_empty() {
            true => None,
            false => {
                let attempt = context.attempt.number();
                let is_free = forecast.is_some_and(|forecast| forecast.is_free);
                let asking = Asking { model, usage, is_free, attempt };
                Some(reserve(&inner.db, &inner.ledger, &terms, now, &asking).await?)
            }
        };
        let admission = Admission { began_at: now, taken, reserved };
        let entry = inner.live.enter(call, &context, model, now, terms.groups.clone());
        let capture = Capture::of(&inner.payloads, model);
        Ok(Meter::start(inner.ledger.clone(), context, admission, entry).captured(capture))
    }
}
