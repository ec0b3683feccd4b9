//! Which calls a request means, and whether its caller may see them.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use lyceum_http::{ApiError, Caller};
use serde::Deserialize;
use uuid::Uuid;

use crate::rollups::{Filter, quarter_after};
use crate::{Gateway, USAGE_READ_ALL};

/// The days that are shown where no span is asked for.
pub(super) const USUAL_DAYS: i64 = 30;

/// A span of time.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SpanQuery {
    /// The first moment; 30 days before `to` where absent.
    from: Option<DateTime<Utc>>,
    /// The moment after the last; now where absent.
    to: Option<DateTime<Utc>>,
}

/// Which calls; all conditions hold at once.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichQuery {
    /// Only this user's calls. Others' need the right usage:read_all.
    user_id: Option<Uuid>,
    /// Only calls that came with this API key.
    api_key_id: Option<Uuid>,
    /// Only calls of people who were in this group when they called.
    group_id: Option<Uuid>,
    /// Only calls through this provider config.
    provider_config_id: Option<Uuid>,
    /// Only calls at this kind of provider, such as `openai`.
    provider: Option<String>,
    /// Only calls that this model served.
    model: Option<String>,
    /// Only calls for this purpose, such as `chat` or `api`.
    purpose: Option<String>,
    /// Only calls that programs made for this end user, by exactly this name.
    end_user: Option<String>,
}

impl SpanQuery {
    /// The span asked for, ending now and 30 days long where nothing is said.
    fn span(&self, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), ApiError> {
        let to = self.to.unwrap_or_else(|| quarter_after(now));
        let from = self.from.or_else(|| to.checked_sub_signed(TimeDelta::days(USUAL_DAYS)));
        let from = from.filter(|from| storable(*from) && storable(to)).ok_or_else(|| {
            ApiError::bad_request(
                "invalid_query",
                "'from' and 'to' must be in the years 1 to 9999.",
            )
        })?;
        match from > to {
            true => Err(ApiError::bad_request("invalid_span", "'from' is later than 'to'.")),
            false => Ok((from, to)),
        }
    }
}

impl Gateway {
    /// The calls asked for: the caller's own, or anybody's for those who may see all.
    pub(super) fn usage_filter(
        &self,
        caller: &Caller,
        span: &SpanQuery,
        which: WhichQuery,
    ) -> Result<Filter, ApiError> {
        let (from, to) = span.span(self.inner.clock.now())?;
        filter_of(caller, which, from, to)
    }
}

pub(super) fn filter_of(
    caller: &Caller,
    which: WhichQuery,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Filter, ApiError> {
    let texts = [&which.provider, &which.model, &which.purpose, &which.end_user];
    for text in texts.into_iter().flatten() {
        check_text(text)?;
    }
    let (resource, action) = USAGE_READ_ALL;
    let user_id = match (caller.may(resource, action), which.user_id) {
        (true, asked) => asked,
        (false, None) => Some(caller.user_id),
        (false, Some(asked)) if asked == caller.user_id => Some(asked),
        (false, Some(_)) => return Err(ApiError::forbidden(resource, action)),
    };
    Ok(Filter {
        user_id,
        api_key_id: which.api_key_id,
        group_id: which.group_id,
        provider_config_id: which.provider_config_id,
        provider: which.provider,
        model: which.model,
        purpose: which.purpose,
        end_user: which.end_user,
        from,
        to,
    })
}

/// Refuses what PostgreSQL has in no text.
pub(super) fn check_text(text: &str) -> Result<(), ApiError> {
    match text.contains('\0') {
        false => Ok(()),
        true => {
            let detail = "The query must not hold a NUL character.";
            Err(ApiError::bad_request("invalid_query", detail))
        }
    }
}

/// The name of a time zone as people write it. Offsets with minutes are none: a day begins at a
/// quarter of an hour.
pub(super) fn check_timezone(name: &str) -> Result<(), ApiError> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '+' | '-');
    match (1..=64).contains(&name.len()) && name.chars().all(known) {
        true => Ok(()),
        false => Err(unknown_timezone()),
    }
}

pub(super) fn unknown_timezone() -> ApiError {
    let detail = "'timezone' must be the name of a time zone, such as Europe/Berlin.";
    ApiError::bad_request("invalid_query", detail)
}

/// Whether the database can compare with the moment.
pub(super) fn storable(moment: DateTime<Utc>) -> bool {
    (1..=9999).contains(&moment.year())
}
