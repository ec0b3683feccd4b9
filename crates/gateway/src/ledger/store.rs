use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CallRecord, LedgerRow};

/// Makes a connection the writer's: in the maintenance role, holding the lock `key`.
pub(super) async fn prepare(connection: &mut PgConnection, key: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut *connection).await?;
    // The statement below takes longer to plan than to run, and its best plan is always the same.
    sqlx::query("SET plan_cache_mode = force_generic_plan").execute(&mut *connection).await?;
    sqlx::query_scalar!("SELECT pg_advisory_lock($1)", key).fetch_one(connection).await?;
    Ok(())
}

/// Adds the rows and settles the quotas that they count for, in one statement. A row that is there
/// already stays as it is and counts no second time, so that a batch whose commit was not confirmed
/// can be sent again. The quotas are locked in the order in which calls lock them to reserve.
pub(super) async fn insert(
    connection: &mut PgConnection,
    rows: &[&LedgerRow],
) -> Result<(), sqlx::Error> {
    fn column<T>(rows: &[&LedgerRow], pick: impl Fn(&LedgerRow) -> T) -> Vec<T> {
        rows.iter().map(|row| pick(row)).collect()
    }
    sqlx::query!(
        "WITH inserted AS (
             INSERT INTO gateway.usage_statistics
               (id, created_at, user_id, api_key_id, provider_config_id, model_config_id, provider,
                requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, group_ids, attempt,
                route_id, route)
             SELECT id, created_at, user_id, api_key_id, provider_config_id, model_config_id,
                provider, requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, groups::uuid[], attempt,
                route_id, route
             FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[],
                $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],
                $12::bigint[], $13::bigint[], $14::bigint[], $15::numeric[], $16::boolean[],
                $17::text[], $18::text[], $19::integer[], $20::integer[], $21::uuid[], $22::uuid[],
                $23::uuid[], $24::text[], $25::smallint[], $26::uuid[], $27::text[])
                AS row (id, created_at, user_id, api_key_id, provider_config_id, model_config_id,
                provider, requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, groups, attempt, route_id,
                route)
             ON CONFLICT (id, created_at) DO NOTHING
             RETURNING created_at, user_id, api_key_id, group_ids, cost, attempt,
                prompt_tokens::numeric + completion_tokens AS tokens,
                gateway.compute_seconds(provider_config_id, latency_ms) AS seconds
         ), hits AS (
             SELECT q.id, q.timezone, i.* FROM inserted i
             JOIN identity.user_quotas q ON q.user_id = i.user_id
             UNION ALL
             SELECT q.id, q.timezone, i.* FROM inserted i
             JOIN identity.user_quotas q ON q.api_key_id = i.api_key_id
             UNION ALL
             SELECT q.id, q.timezone, i.* FROM inserted i
             CROSS JOIN LATERAL unnest(i.group_ids) AS member (group_id)
             JOIN identity.user_quotas q ON q.group_id = member.group_id
         ), sums AS (
             SELECT id, gateway.month_of(created_at, timezone) AS month,
                count(*) FILTER (WHERE attempt = 1) AS calls,
                sum(tokens) AS tokens, coalesce(sum(cost), 0) AS cost, sum(seconds) AS seconds
             FROM hits GROUP BY 1, 2
         ), latest AS (
             SELECT DISTINCT ON (id) * FROM sums ORDER BY id, month DESC
         ), locked AS MATERIALIZED (
             SELECT q.id FROM identity.user_quotas q JOIN latest USING (id)
             ORDER BY q.id FOR UPDATE OF q
         ), settled AS (
             -- A month that is over is not counted any more; a new one starts at nothing.
             UPDATE identity.user_quotas q
             SET period_start = greatest(q.period_start, s.month),
                 used_api_calls = CASE WHEN q.period_start >= s.month THEN q.used_api_calls ELSE 0 END
                     + CASE WHEN q.period_start <= s.month THEN s.calls ELSE 0 END,
                 used_tokens = least(9223372036854775807,
                     CASE WHEN q.period_start >= s.month THEN q.used_tokens ELSE 0 END
                     + CASE WHEN q.period_start <= s.month THEN s.tokens ELSE 0 END),
                 used_cost = least(999999999,
                     CASE WHEN q.period_start >= s.month THEN q.used_cost ELSE 0 END
                     + CASE WHEN q.period_start <= s.month THEN s.cost ELSE 0 END),
                 used_compute_seconds =
                     CASE WHEN q.period_start >= s.month THEN q.used_compute_seconds ELSE 0 END
                     + CASE WHEN q.period_start <= s.month THEN s.seconds ELSE 0 END
             FROM latest s JOIN locked USING (id)
             WHERE q.id = s.id
             RETURNING q.*
         ), warned AS (
             INSERT INTO gateway.quota_warnings (id, quota_id, resource, period_start)
             SELECT app.new_id(), q.id, r.resource, q.period_start
             FROM settled q
             CROSS JOIN LATERAL (VALUES
                 ('api_calls', q.max_api_calls::numeric, q.used_api_calls::numeric),
                 ('tokens', q.max_tokens, q.used_tokens),
                 ('cost', q.max_cost, q.used_cost),
                 ('compute_seconds', q.max_compute_seconds, q.used_compute_seconds)
             ) r (resource, maximum, used)
             WHERE r.maximum > 0 AND r.used >= 0.8 * r.maximum
             ON CONFLICT (quota_id, resource, period_start) DO NOTHING
         )
         DELETE FROM gateway.quota_reservations WHERE call_id = ANY ($1)",
        &column(rows, |row| row.id),
        &column(rows, |row| row.created_at),
        &column(rows, |row| row.user_id),
        &column(rows, |row| row.api_key_id) as _,
        &column(rows, |row| row.provider_config_id) as _,
        &column(rows, |row| row.model_config_id) as _,
        &column(rows, |row| row.provider.clone()),
        &column(rows, |row| row.requested_model.clone()),
        &column(rows, |row| row.served_model.clone()) as _,
        &column(rows, |row| row.purpose.as_str().to_owned()),
        &column(rows, |row| row.prompt_tokens),
        &column(rows, |row| row.completion_tokens),
        &column(rows, |row| row.cached_tokens),
        &column(rows, |row| row.reasoning_tokens),
        &column(rows, |row| row.cost) as _,
        &column(rows, |row| row.estimated),
        &column(rows, |row| row.status.as_str().to_owned()),
        &column(rows, |row| row.error_code.clone()) as _,
        &column(rows, |row| row.latency_ms),
        &column(rows, |row| row.first_token_ms) as _,
        &column(rows, |row| row.conversation_id) as _,
        &column(rows, |row| row.message_id) as _,
        &column(rows, |row| row.request_id),
        &column(rows, |row| array_of(&row.group_ids)),
        &column(rows, |row| row.attempt),
        &column(rows, |row| row.route_id) as _,
        &column(rows, |row| row.route.clone()) as _,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An array as a literal: arrays of arrays of different lengths are no parameter.
fn array_of(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

/// Gives back what calls without a row reserved.
pub(super) async fn release(
    connection: &mut PgConnection,
    calls: &[Uuid],
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM gateway.quota_reservations WHERE call_id = ANY ($1)", calls)
        .execute(connection)
        .await?;
    Ok(())
}

/// The call that answered a request: the latest that is not a retrieval, which shares the
/// request's id with the answer that it serves.
pub(crate) async fn record_of(
    connection: &mut PgConnection,
    user: Uuid,
    request_id: Uuid,
) -> Result<Option<CallRecord>, StoreError> {
    let record = sqlx::query_as!(
        CallRecord,
        r#"SELECT id, created_at, provider, coalesce(served_model, requested_model) AS "model!",
                  prompt_tokens, completion_tokens, cost, estimated, status, latency_ms,
                  first_token_ms
           FROM gateway.usage_statistics
           WHERE request_id = $1 AND user_id = $2
           ORDER BY purpose IN ('retrieval', 'title'), created_at DESC, id DESC
           LIMIT 1"#,
        request_id,
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(record)
}
