use std::sync::Arc;
use std::time::Instant;

use metrics::counter;

use super::bucket::{Buckets, Demand, Denied, RateStanding, Unit};
use super::shared::SharedBuckets;

/// What a running call took. Dropped, it gives everything back: the call was not made.
pub(crate) struct Taken {
    buckets: Arc<Buckets>,
    /// Where it was taken from those of all nodes, too.
    shared: Option<SharedBuckets>,
    demands: Vec<Demand>,
    pub(crate) standing: RateStanding,
}

impl Taken {
    /// Takes all demands or none: of the buckets of all nodes where those can be asked, else of this
    /// node's.
    pub(super) async fn take(
        buckets: &Arc<Buckets>,
        shared: Option<&SharedBuckets>,
        demands: Vec<Demand>,
        now: Instant,
    ) -> Result<Self, Denied> {
        let buckets = buckets.clone();
        match shared {
            Some(shared) if !demands.is_empty() => {
                // In a task, so that what was taken goes back where nobody waits any more.
                let taking =
                    Self::take_shared(buckets.clone(), shared.clone(), demands.clone(), now);
                match tokio::spawn(taking).await {
                    Ok(taken) => taken,
                    Err(_) => Self::take_here(buckets, demands, now),
                }
            }
            _ => Self::take_here(buckets, demands, now),
        }
    }

    fn take_here(
        buckets: Arc<Buckets>,
        demands: Vec<Demand>,
        now: Instant,
    ) -> Result<Self, Denied> {
        let standing = match demands.is_empty() {
            true => RateStanding::default(),
            false => buckets.take(&demands, now)?,
        };
        Ok(Self { buckets, shared: None, demands, standing })
    }

    async fn take_shared(
        buckets: Arc<Buckets>,
        shared: SharedBuckets,
        demands: Vec<Demand>,
        now: Instant,
    ) -> Result<Self, Denied> {
        let Some(taken) = shared.take(&demands).await else {
            counter!("lyceum_gateway_unshared_admissions_total").increment(1);
            return Self::take_here(buckets, demands, now);
        };
        let standing = taken?;
        // So that this node knows what it let through when Redis is away.
        buckets.charge(&demands, now);
        Ok(Self { buckets, shared: Some(shared), demands, standing })
    }

    /// The call was made and took `tokens`.
    pub(crate) fn settle(mut self, tokens: f64) {
        let demands = std::mem::take(&mut self.demands);
        if demands.iter().any(|demand| demand.key.0 == Unit::Tokens) {
            self.put_back(&demands, |demand| match demand.key.0 {
                Unit::Requests => demand.amount,
                Unit::Tokens => tokens,
            });
        }
    }

    fn put_back(&self, demands: &[Demand], used: impl Fn(&Demand) -> f64) {
        self.buckets.settle(demands, &used);
        if let Some(shared) = &self.shared {
            shared.settle(demands, used);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.demands.is_empty() {
            self.put_back(&self.demands, |_| 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_was_not_needed_comes_back_and_what_was_more_is_owed() {
        let buckets = Arc::new(Buckets::default());
        let now = Instant::now();
        let take = async |amount| {
            let key = (Unit::Tokens, Level::User, Uuid::from_u128(1));
            let demands = vec![Demand { key, per_minute: 100.0, amount }];
            Taken::take(&buckets, None, demands, now).await
        };
        take(80.0).await.unwrap().settle(10.0);
        assert_eq!(take(90.0).await.unwrap().standing.tokens.unwrap().remaining, 0.0);
        take(90.0).await.unwrap().settle(150.0);
        let denied = take(1.0).await.err().unwrap();
        assert_eq!(denied.wait.as_secs(), 36); // 60 owed and 1 needed of 100 a minute
    }
}
