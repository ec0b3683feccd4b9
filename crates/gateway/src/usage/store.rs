use chrono::{DateTime, Utc};
use lyceum_core::PageRequest;
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::Filter;
use super::http::GroupBy;

/// Sums over some calls.
#[derive(Debug, FromRow)]
pub(super) struct SumRow {
    pub(super) key: String,
    pub(super) label: Option<String>,
    pub(super) calls: i64,
    pub(super) prompt_tokens: i64,
    pub(super) completion_tokens: i64,
    pub(super) cost: Option<Decimal>,
    pub(super) unpriced_calls: i64,
    pub(super) errors: i64,
}

const SUMS: &str = "count(*) AS calls,
    least(coalesce(sum(s.prompt_tokens), 0), 9223372036854775807)::bigint AS prompt_tokens,
    least(coalesce(sum(s.completion_tokens), 0), 9223372036854775807)::bigint AS completion_tokens,
    sum(s.cost) AS cost,
    count(*) FILTER (WHERE s.cost IS NULL) AS unpriced_calls,
    count(*) FILTER (WHERE s.status = 'failed') AS errors";

/// Sums by group: days in order, everything else by the most calls.
pub(super) async fn summary(
    connection: &mut PgConnection,
    filter: &Filter,
    group_by: GroupBy,
) -> Result<Vec<SumRow>, StoreError> {
    let (key, label) = match group_by {
        GroupBy::Day => ("to_char(s.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", "NULL::text"),
        GroupBy::Model => ("coalesce(s.served_model, s.requested_model)", "NULL::text"),
        GroupBy::Provider => ("s.provider", "NULL::text"),
        GroupBy::Purpose => ("s.purpose", "NULL::text"),
        GroupBy::User => ("s.user_id::text", "min(u.username::text)"),
    };
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(key).push(" AS key, ").push(label).push(" AS label, ").push(SUMS);
    query.push(" FROM gateway.usage_statistics s");
    if group_by == GroupBy::User {
        query.push(" LEFT JOIN identity.users u ON u.id = s.user_id");
    }
    restrict(&mut query, filter);
    query.push(" GROUP BY 1 ORDER BY ");
    query.push(if group_by == GroupBy::Day { "1" } else { "calls DESC, 1" });
    query.push(" LIMIT 1000");
    Ok(query.build_query_as().fetch_all(connection).await?)
}

/// Sums over everything.
pub(super) async fn total(
    connection: &mut PgConnection,
    filter: &Filter,
) -> Result<SumRow, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT 'total' AS key, NULL::text AS label, ");
    query.push(SUMS).push(" FROM gateway.usage_statistics s");
    restrict(&mut query, filter);
    Ok(query.build_query_as().fetch_one(connection).await?)
}

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
}

const CALL: &str = "SELECT s.*, u.username::text AS username
    FROM gateway.usage_statistics s LEFT JOIN identity.users u ON u.id = s.user_id";

/// A page of calls, newest first, with one row more than asked for if there is another page.
pub(super) async fn calls(
    connection: &mut PgConnection,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Vec<CallRow>, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new(CALL);
    restrict(&mut query, filter);
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

fn restrict(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    query.push(" WHERE s.created_at >= ").push_bind(filter.from);
    query.push(" AND s.created_at < ").push_bind(filter.to);
    if let Some(user) = filter.user_id {
        query.push(" AND s.user_id = ").push_bind(user);
    }
    let texts = [
        (" AND coalesce(s.served_model, s.requested_model) = ", &filter.model),
        (" AND s.provider = ", &filter.provider),
        (" AND s.purpose = ", &filter.purpose),
        (" AND s.status = ", &filter.status),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value.clone());
        }
    }
}
