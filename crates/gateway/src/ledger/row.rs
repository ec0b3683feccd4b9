//! One row of the ledger.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lyceum_llm::{ModelKind, Usage};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Price, Purpose};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallStatus {
    Completed,
    Cancelled,
    Failed,
}

impl CallStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CallStatus::Completed => "completed",
            CallStatus::Cancelled => "cancelled",
            CallStatus::Failed => "failed",
        }
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LedgerRow {
    pub(crate) id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_key_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_config_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_config_id: Option<Uuid>,
    pub(crate) provider: String,
    /// What the caller named: a model or a route, by its name here.
    pub(crate) requested_model: String,
    /// What answered, in the provider's words; where it named none, the provider's name of what was
    /// asked. Sums and bills go by it. Absent as long as the call runs and nothing was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) served_model: Option<String>,
    pub(crate) purpose: Purpose,
    pub(crate) prompt_tokens: i64,
    pub(crate) completion_tokens: i64,
    pub(crate) cached_tokens: i64,
    pub(crate) reasoning_tokens: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<Decimal>,
    pub(crate) estimated: bool,
    pub(crate) status: CallStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error_code: Option<String>,
    pub(crate) latency_ms: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_token_ms: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<Uuid>,
    pub(crate) request_id: Uuid,
    /// The groups that the caller is in; their quotas count the call.
    pub(crate) group_ids: Arc<[Uuid]>,
    /// Which attempt of the request, from 1 on; a request counts by its first.
    pub(crate) attempt: i16,
    /// The route that asked, and its name at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Whether the answer was kept of an earlier call: nobody was asked.
    pub(crate) cache_hit: bool,
    /// Whom the program that called names as the one it called for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_user: Option<Arc<str>>,
}

impl LedgerRow {
    /// Sets what the call used of a model of this kind, and what that costs.
    pub(crate) fn spend(&mut self, usage: &Usage, price: &Price, kind: ModelKind) {
        self.prompt_tokens = count(usage.prompt_tokens);
        self.completion_tokens = count(usage.completion_tokens);
        self.cached_tokens = count(usage.cached_tokens);
        self.reasoning_tokens = count(usage.reasoning_tokens);
        self.cost = match self.cache_hit {
            true => Some(Decimal::ZERO),
            false => price.cost(kind, usage).filter(|cost| *cost < max_cost()),
        };
    }
}

/// The column is numeric(18,9).
fn max_cost() -> Decimal {
    Decimal::from(1_000_000_000)
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// A text that PostgreSQL takes: without NUL, cut to `limit` characters.
pub(crate) fn storable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_line_says_whom_a_call_was_for_and_one_that_does_not_is_read_all_the_same() {
        let line = serde_json::to_string(&row(None)).unwrap();
        assert!(!line.contains("end_user"), "{line}");
        assert_eq!(serde_json::from_str::<LedgerRow>(&line).unwrap().end_user, None);
        let named = LedgerRow { end_user: Some("customer-1".into()), ..row(None) };
        let line = serde_json::to_string(&named).unwrap();
        let again: LedgerRow = serde_json::from_str(&line).unwrap();
        assert_eq!(again.end_user, named.end_user);
    }
}
