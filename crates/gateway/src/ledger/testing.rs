//! A row for tests.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{CallStatus, LedgerRow, Purpose};

/// A call of 10 and 3 tokens that took 250 ms.
pub(crate) fn row(model_config_id: Option<Uuid>) -> LedgerRow {
    LedgerRow {
        id: Uuid::nil(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        user_id: Uuid::nil(),
        api_key_id: None,
        provider_config_id: None,
        model_config_id,
        provider: "custom".to_owned(),
        requested_model: "mine".to_owned(),
        served_model: None,
        purpose: Purpose::Api,
        prompt_tokens: 10,
        completion_tokens: 3,
        cached_tokens: 0,
        reasoning_tokens: 0,
        cost: Some(Decimal::new(15, 4)),
        estimated: false,
        status: CallStatus::Completed,
        error_code: None,
        latency_ms: 250,
        first_token_ms: Some(20),
        conversation_id: None,
        message_id: None,
        request_id: Uuid::nil(),
        group_ids: Default::default(),
        attempt: 1,
        route_id: None,
        route: None,
        cache_hit: false,
        end_user: None,
    }
}
