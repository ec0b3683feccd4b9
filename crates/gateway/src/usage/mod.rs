//! What was called, by whom, for how much: reading the ledger.

mod http;
mod store;

use std::time::Duration;

use chrono::{DateTime, Utc};
use lyceum_http::{ApiError, Caller};
use uuid::Uuid;

pub(crate) use http::router;

use crate::{Gateway, USAGE_READ_ALL};

/// The span that is shown where none is asked for.
const USUAL_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

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
        let from = from.unwrap_or_else(|| to - USUAL_SPAN);
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
