use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use lyceum_store::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ReconcileError;
use super::compare::Figures;

/// Whose calls are compared.
pub(super) struct Provider {
    /// A kind of provider.
    kind: Option<String>,
    /// Provider configs of the name.
    configs: Vec<Uuid>,
}

/// The provider that is named: a kind, or provider configs that are called so.
pub(super) async fn provider(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Provider, ReconcileError> {
    let unknown = || ReconcileError::UnknownProvider(name.chars().take(100).collect());
    if name.contains('\0') {
        return Err(unknown());
    }
    let found = sqlx::query!(
        r#"SELECT (SELECT p.name FROM gateway.ai_providers p WHERE p.name = lower($1)) AS kind,
                  ARRAY(SELECT pc.id FROM gateway.provider_configs pc
                        WHERE lower(pc.name) = lower($1)) AS "configs!""#,
        name
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError)?;
    match (&found.kind, found.configs.is_empty()) {
        (None, true) => Err(unknown()),
        _ => Ok(Provider { kind: found.kind, configs: found.configs }),
    }
}

/// The days of moments in a zone.
pub(super) async fn days(
    connection: &mut PgConnection,
    zone: &str,
    moments: &[DateTime<Utc>],
) -> Result<HashMap<DateTime<Utc>, NaiveDate>, ReconcileError> {
    let unknown = || ReconcileError::UnknownTimezone(zone.chars().take(100).collect());
    if zone.contains(['\0', ':']) {
        return Err(unknown());
    }
    // One moment at least, so that a wrong zone is always found.
    let rows = sqlx::query!(
        r#"SELECT DISTINCT m.moment AS "moment!", (m.moment AT TIME ZONE $1)::date AS "day!"
           FROM unnest($2::timestamptz[] || 'epoch'::timestamptz) AS m (moment)"#,
        zone,
        moments,
    )
    .fetch_all(connection)
    .await
    .map_err(|error| {
        match error.as_database_error().and_then(|error| error.code()).as_deref() {
            Some("22023") => unknown(),
            _ => StoreError(error).into(),
        }
    })?;
    Ok(rows.into_iter().map(|row| (row.moment, row.day)).collect())
}

/// What the ledger has of these days, both included, by day and model. Built-in models are nobody's
/// invoice.
pub(super) async fn ledger(
    connection: &mut PgConnection,
    zone: &str,
    (first, last): (NaiveDate, NaiveDate),
    provider: Option<&Provider>,
) -> Result<Vec<(NaiveDate, String, Figures)>, StoreError> {
    let kind = provider.and_then(|provider| provider.kind.as_deref());
    let configs = provider.map(|provider| provider.configs.as_slice());
    let rows = sqlx::query!(
        r#"SELECT (u.starts_at AT TIME ZONE $1)::date AS "day!", u.model AS "model!",
                  gateway.count_of(sum(u.prompt_tokens)) AS "prompt_tokens!",
                  gateway.count_of(sum(u.completion_tokens)) AS "completion_tokens!",
                  gateway.count_of(sum(u.cached_tokens)) AS "cached_tokens!",
                  sum(u.costs) AS cost, sum(u.unpriced_calls)::bigint AS "unpriced_calls!",
                  sum(u.estimated_calls)::bigint AS "estimated_calls!"
           FROM (SELECT starts_at, provider, provider_config_id, model, prompt_tokens,
                        completion_tokens, cached_tokens, costs, unpriced_calls, estimated_calls
                 FROM gateway.usage_rollups WHERE grain = 'overall' AND NOT cache_hit
                 UNION ALL
                 SELECT starts_at, provider, provider_config_id, model, prompt_tokens,
                        completion_tokens, cached_tokens, costs, unpriced_calls, estimated_calls
                 FROM gateway.usage_deltas WHERE NOT cache_hit) u
           WHERE u.starts_at >= $2::date::timestamp AT TIME ZONE $1
             AND u.starts_at < ($3::date + 1)::timestamp AT TIME ZONE $1
             AND CASE WHEN $4::text IS NULL AND $5::uuid[] IS NULL THEN u.provider <> 'local'
                      ELSE coalesce(u.provider = $4, false)
                           OR coalesce(u.provider_config_id = ANY ($5), false) END
           GROUP BY 1, 2"#,
        zone,
        first,
        last,
        kind,
        configs,
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let figures = Figures {
            prompt_tokens: Some(row.prompt_tokens),
            completion_tokens: Some(row.completion_tokens),
            cached_tokens: Some(row.cached_tokens),
            cost: row.cost,
            unpriced_calls: row.unpriced_calls,
            estimated_calls: row.estimated_calls,
        };
        (row.day, row.model, figures)
    });
    Ok(rows.collect())
}
