use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{CallRecord, LedgerRow};

/// Adds the rows in one statement. A row that is there already stays as it is, so that a batch
/// whose commit was not confirmed can be sent again.
pub(super) async fn insert(
    connection: &mut PgConnection,
    rows: &[&LedgerRow],
) -> Result<(), sqlx::Error> {
    fn column<T>(rows: &[&LedgerRow], pick: impl Fn(&LedgerRow) -> T) -> Vec<T> {
        rows.iter().map(|row| pick(row)).collect()
    }
    sqlx::query!(
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, api_key_id, provider_config_id, model_config_id, provider,
            requested_model, served_model, purpose, prompt_tokens, completion_tokens,
            cached_tokens, reasoning_tokens, cost, estimated, status, error_code, latency_ms,
            first_token_ms, conversation_id, message_id, request_id)
         SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::uuid[],
            $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[],
            $12::bigint[], $13::bigint[], $14::bigint[], $15::numeric[], $16::boolean[],
            $17::text[], $18::text[], $19::integer[], $20::integer[], $21::uuid[], $22::uuid[],
            $23::uuid[])
         ON CONFLICT (id, created_at) DO NOTHING",
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
