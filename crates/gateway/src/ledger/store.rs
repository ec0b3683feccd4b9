use chrono::{DateTime, NaiveDate, Utc};
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CallRecord, LedgerRow};
use crate::quotas::{Tally, Warning};

/// Makes a connection the writer's: in the maintenance role, holding the lock `key`.
pub(super) async fn prepare(connection: &mut PgConnection, key: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut *connection).await?;
    // The statement below takes longer to plan than to run, and its best plan is always the same.
    sqlx::query("SET plan_cache_mode = force_generic_plan").execute(&mut *connection).await?;
    sqlx::query_scalar!("SELECT pg_advisory_lock($1)", key).fetch_one(connection).await?;
    Ok(())
}

/// Adds the rows and counts them for the quotas of `tally`, in one statement. Returns `false`,
/// having done nothing, where a quota counts one of them that the tally does not know: it may have
/// been set since the call began. The quotas are locked in the order in which leases lock them.
pub(super) async fn insert(
    connection: &mut PgConnection,
    rows: &[&LedgerRow],
    tally: &Tally,
) -> Result<bool, sqlx::Error> {
    let groups: Vec<Uuid> = rows.iter().flat_map(|row| row.group_ids.iter().copied()).collect();
    let (mut quotas, mut months, mut amounts) = (Vec::new(), Vec::new(), Vec::new());
    for (quota, month, added) in tally.iter() {
        quotas.push(quota);
        months.push(month);
        amounts.push(added.to_decimals());
    }
    let amounts: [Vec<Decimal>; 4] =
        std::array::from_fn(|place| amounts.iter().map(|amounts| amounts[place]).collect());
    let [calls, tokens, cost, seconds] = amounts;
    let inserted = sqlx::query_scalar!(
        r#"WITH inserted AS (
             INSERT INTO gateway.usage_statistics
               (id, created_at, user_id, api_key_id, provider_config_id, model_config_id, provider,
                requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, group_ids, attempt,
                route_id, route, cache_hit, end_user)
             SELECT id, created_at, user_id, api_key_id, provider_config_id, model_config_id,
                provider, requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, groups::uuid[], attempt,
                route_id, route, cache_hit, end_user
             FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[],
                $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],
                $12::bigint[], $13::bigint[], $14::bigint[], $15::numeric[], $16::boolean[],
                $17::text[], $18::text[], $19::integer[], $20::integer[], $21::uuid[], $22::uuid[],
                $23::uuid[], $24::text[], $25::smallint[], $26::uuid[], $27::text[], $28::boolean[],
                $29::text[])
                AS row (id, created_at, user_id, api_key_id, provider_config_id, model_config_id,
                provider, requested_model, served_model, purpose, prompt_tokens, completion_tokens,
                cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
                first_token_ms, conversation_id, message_id, request_id, groups, attempt,
                route_id, route, cache_hit, end_user)
             -- The lock waits for a quota that is being set, so that it either is seen here or
             -- counts these rows.
             WHERE NOT EXISTS (
                SELECT FROM identity.user_quotas q
                WHERE (q.user_id = ANY ($3) OR q.api_key_id = ANY ($4) OR q.group_id = ANY ($30))
                  AND q.id <> ALL ($31)
                FOR KEY SHARE)
             RETURNING id
         ), locked AS MATERIALIZED (
             SELECT q.id FROM identity.user_quotas q
             WHERE q.id = ANY ($31) AND EXISTS (SELECT FROM inserted)
             ORDER BY q.id FOR UPDATE
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
             FROM unnest($31, $32::date[], $33::numeric[], $34::numeric[], $35::numeric[],
                         $36::numeric[]) AS s (id, month, calls, tokens, cost, seconds)
             JOIN locked USING (id)
             WHERE q.id = s.id
         )
         SELECT EXISTS (SELECT FROM inserted) AS "inserted!""#,
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
        &column(rows, |row| row.cache_hit),
        &column(rows, |row| row.end_user.as_deref().map(str::to_owned)) as _,
        &groups,
        &quotas,
        &months,
        &calls,
        &tokens,
        &cost,
        &seconds,
    )
    .fetch_one(connection)
    .await?;
    Ok(inserted)
}

fn column<T>(rows: &[&LedgerRow], pick: impl Fn(&LedgerRow) -> T) -> Vec<T> {
    rows.iter().map(|row| pick(row)).collect()
}

/// An array as a literal: arrays of arrays of different lengths are no parameter.
fn array_of(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

/// Which of the rows are there already: a batch whose commit was not confirmed may be.
pub(super) async fn present(
    connection: &mut PgConnection,
    rows: &[&LedgerRow],
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id FROM gateway.usage_statistics
         WHERE (id, created_at) IN (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]))",
        &column(rows, |row| row.id),
        &column(rows, |row| row.created_at),
    )
    .fetch_all(connection)
    .await
}

/// The month of each moment where its quota counts.
pub(super) async fn months(
    connection: &mut PgConnection,
    quotas: &[Uuid],
    moments: &[DateTime<Utc>],
) -> Result<Vec<Option<NaiveDate>>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT gateway.quota_month(q, t.moment)
         FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS t (quota, moment, place)
         LEFT JOIN identity.user_quotas q ON q.id = t.quota ORDER BY t.place",
        quotas,
        moments,
    )
    .fetch_all(connection)
    .await
}

/// Notes that four fifths of a quota are used.
pub(super) async fn warn(
    connection: &mut PgConnection,
    warning: &Warning,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.quota_warnings (id, quota_id, resource, period_start)
         SELECT $1, q.id, $3, $4 FROM identity.user_quotas q WHERE q.id = $2
         ON CONFLICT (quota_id, resource, period_start) DO NOTHING",
        lyceum_core::new_id(),
        warning.quota,
        warning.resource,
        warning.month,
    )
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
