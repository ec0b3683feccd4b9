//! What was called, by whom, for how much: reading the ledger.

mod http;
mod store;

use std::time::Duration;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use lyceum_http::{ApiError, Caller};
use uuid::Uuid;

pub(crate) use http::router;

use crate::{Gateway, USAGE_READ_ALL};

/// The days that are shown where no span is asked for.
const USUAL_DAYS: i64 = 30;

/// Which rows of the ledger are meant.
#[derive(Clone, Debug)]
struct Filter {
    /// Only this user's; `None` for everybody's.
    user_id: Option<Uuid>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    model: Option<String>,
    provider: Option<String>,
    purpose: Option<String>,
    status: Option<String>,
}

impl Gateway {
    /// The span asked for, ending now and 30 days long where nothing is said; and whose calls: the
    /// caller's own, or anybody's for those who may see all.
    fn usage_filter(
        &self,
        caller: &Caller,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
        user_id: Option<Uuid>,
    ) -> Result<Filter, ApiError> {
        let to = to.unwrap_or_else(|| self.inner.clock.now() + Duration::from_secs(1));
        let from = from.or_else(|| to.checked_sub_signed(TimeDelta::days(USUAL_DAYS)));
        let from = from.filter(|from| storable(*from) && storable(to)).ok_or_else(|| {
            ApiError::bad_request(
                "invalid_query",
                "'from' and 'to' must be in the years 1 to 9999.",
            )
        })?;
        if from > to {
            return Err(ApiError::bad_request("invalid_span", "'from' is later than 'to'."));
        }
        let (resource, action) = USAGE_READ_ALL;
        let user_id = match (caller.may(resource, action), user_id) {
            (true, asked) => asked,
            (false, None) => Some(caller.user_id),
            (false, Some(asked)) if asked == caller.user_id => Some(asked),
            (false, Some(_)) => return Err(ApiError::forbidden(resource, action)),
        };
        Ok(Filter { user_id, from, to, model: None, provider: None, purpose: None, status: None })
    }
}

/// Whether the database can compare with the moment.
fn storable(moment: DateTime<Utc>) -> bool {
    (1..=9999).contains(&moment.year())
}
