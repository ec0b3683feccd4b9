use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::rollups::Filter;

/// One call of the ledger.
#[derive(Debug, FromRow)]
pub(super) struct CallRow {
    pub(super) id: Uuid,
    pub(super) created_at: DateTime<Utc>,
    pub(super) user_id: Uuid,
    pub(super) username: Option<String>,
    pub(super) api_key_id: Option<Uuid>,
    pub(super) provider_config_id: Option<Uuid>,
    pub(super) model_config_id: Option<Uuid>,
    pub(super) provider: String,
    pub(super) requested_model: String,
    pub(super) served_model: Option<String>,
    pub(super) purpose: String,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) cached_tokens: i64,
    pub(super) reasoning_tokens: i64,
    pub(super) cost: Option<Decimal>,
    pub(super) estimated: bool,
    pub(super) status: String,
    pub(super) error_code: Option<String>,
    pub(super) latency_ms: i32,
    pub(super) first_token_ms: Option<i32>,
    pub(super) conversation_id: Option<Uuid>,
    pub(super) message_id: Option<Uuid>,
    pub(super) request_id: Uuid,
    pub(super) attempt: i16,
    pub(super) route_id: Option<Uuid>,
    pub(super) route: Option<String>,
    pub(super) cache_hit: bool,
    pub(super) end_user: Option<String>,
}

/// By name: with `*` a column that a newer version adds fails a statement that was prepared before.
const CALL: &str = "SELECT s.id, s.created_at, s.user_id, u.username::text AS username, s.api_key_id,
    s.provider_config_id, s.model_config_id, s.provider, s.requested_model, s.served_model, s.purpose,
    s.prompt_tokens, s.completion_tokens, s.cached_tokens, s.reasoning_tokens, s.cost, s.estimated,
    s.status, s.error_code, s.latency_ms, s.first_token_ms, s.conversation_id, s.message_id,
    s.request_id, s.attempt, s.route_id, s.route, s.cache_hit, s.end_user
    FROM gateway.usage_statistics s LEFT JOIN identity.users u ON u.id = s.user_id";

/// A page of calls, newest first, with one row more than asked for if there is another page.
pub(super) async fn calls(
    connection: &mut PgConnection,
    filter: &Filter,
    status: Option<&str>,
    page: &PageRequest,
) -> Result<Vec<CallRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(CALL);
    query.push(" WHERE s.created_at >= ").push_bind(filter.from);
    query.push(" AND s.created_at < ").push_bind(filter.to);
    filter.restrict(&mut query, "coalesce(s.served_model, s.requested_model)");
    if let Some(status) = status {
        query.push(" AND s.status = ").push_bind(status.to_owned());
    }
    if let Some(after) = page.after {
        query.push(" AND (s.created_at, s.id) < (").push_bind(after.at);
        query.push(", ").push_bind(after.id).push(")");
    }
    query.push(" ORDER BY s.created_at DESC, s.id DESC LIMIT ").push_bind(page.limit + 1);
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// One call; only `user`'s if given.
pub(super) async fn call(
    connection: &mut PgConnection,
    id: Uuid,
    user: Option<Uuid>,
) -> Result<Option<CallRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(CALL);
    query.push(" WHERE s.id = ").push_bind(id);
    if let Some(user) = user {
        query.push(" AND s.user_id = ").push_bind(user);
    }
    Ok(query.build_query_as().fetch_optional(connection).await?)
}
