use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// After which a call may be tried again that only running calls leave no room for.
const SOON: Duration = Duration::from_secs(1);

/// The quota of a scope, to the one whom it binds.
pub(crate) fn whose_quota(scope: &str) -> &'static str {
    match scope {
        "user" => "Your quota",
        "group" => "Your group's quota",
        _ => "This API key's quota",
    }
}

/// How one resource of one quota stands to a call.
#[derive(Clone, Debug)]
pub struct QuotaRefusal {
    /// `user`, `group` or `api_key`.
    pub(crate) scope: String,
    /// `api_calls`, `tokens`, `cost` or `compute_seconds`.
    pub(crate) resource: String,
    pub(crate) maximum: Decimal,
    pub(crate) used: Decimal,
    /// By calls that are running.
    pub(crate) reserved: Decimal,
    /// What this call may take.
    pub(crate) wanted: Decimal,
    pub(crate) ends_at: DateTime<Utc>,
    pub(crate) ends_on: NaiveDate,
    pub(crate) timezone: String,
    /// When it was judged.
    pub(crate) judged_at: DateTime<Utc>,
}

impl QuotaRefusal {
    /// Whether only running calls are in the way, which may take less than they reserved.
    pub(super) fn is_passing(&self) -> bool {
        self.used + self.wanted <= self.maximum
    }

    pub(crate) fn retry_after(&self) -> Duration {
        match self.is_passing() {
            true => SOON,
            false => (self.ends_at - self.judged_at).to_std().unwrap_or(SOON).max(SOON),
        }
    }

    /// For a person: which quota, how much, until when.
    pub(crate) fn detail(&self) -> String {
        let whose = whose_quota(&self.scope);
        let amount = |amount: Decimal| match self.resource.as_str() {
            "cost" => format!("${}", amount.normalize()),
            _ => amount.normalize().to_string(),
        };
        let of_what = match self.resource.as_str() {
            "api_calls" => " API calls",
            "tokens" => " tokens",
            "compute_seconds" => " seconds of computing",
            _ => "",
        };
        format!(
            "{whose} of {}{of_what} a month does not cover this call: {} are used, running calls \
             hold {}, and this one may take {}. It starts anew on {} ({}).",
            amount(self.maximum),
            amount(self.used),
            amount(self.reserved),
            amount(self.wanted),
            self.ends_on,
            self.timezone,
        )
    }

    /// The same for a program.
    pub(crate) fn extensions(&self) -> Map<String, Value> {
        let number = |amount: Decimal| Value::from(amount.normalize().to_string());
        Map::from_iter([
            ("scope".to_owned(), self.scope.clone().into()),
            ("resource".to_owned(), self.resource.clone().into()),
            ("limit".to_owned(), number(self.maximum)),
            ("used".to_owned(), number(self.used)),
            ("reserved".to_owned(), number(self.reserved)),
            ("resets_at".to_owned(), self.ends_at.to_rfc3339().into()),
        ])
    }

    /// For a header, such as `user tokens 85%`.
    pub(crate) fn warning(&self) -> Option<String> {
        let share = (self.used + self.reserved).checked_mul(Decimal::ONE_HUNDRED)?;
        let percent = share.checked_div(self.maximum)?.floor();
        Some(format!("{} {} {percent}%", self.scope, self.resource))
    }
}
