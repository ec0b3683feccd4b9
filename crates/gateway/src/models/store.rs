use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::PriceTier;

/// A model with what is needed to call it.
pub(super) struct UsableRow {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) provider_config_id: Option<Uuid>,
    pub(super) provider_config_name: Option<String>,
    pub(super) name: String,
    pub(super) model: String,
    pub(super) kind: String,
    pub(super) max_tokens: Option<i32>,
    pub(super) temperature: Option<Decimal>,
    pub(super) context_length: Option<i32>,
    pub(super) dimensions: Option<i32>,
    pub(super) options: Value,
    pub(super) log_payloads: String,
    pub(super) cache: bool,
    pub(super) cache_seconds: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
    pub(super) provider_updated_at: Option<DateTime<Utc>>,
    pub(super) is_default: bool,
    pub(super) chosen: bool,
    pub(super) base_url: Option<String>,
    pub(super) encrypted_key: Option<Vec<u8>>,
    pub(super) key_id: Option<String>,
    pub(super) config: Option<Value>,
    pub(super) input_price: Option<Decimal>,
    pub(super) output_price: Option<Decimal>,
    pub(super) cached_input_price: Option<Decimal>,
    pub(super) cache_write_price: Option<Decimal>,
    pub(super) reasoning_price: Option<Decimal>,
    pub(super) embedding_price: Option<Decimal>,
    pub(super) tiers: Json<Vec<PriceTier>>,
}

/// The models that `user`, who is acting, may call at `now`, their own first, then the shared ones,
/// by name. Which providers they reach is asked once, since asking for each model takes longer than
/// all else.
pub(super) async fn usable(
    connection: &mut PgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<UsableRow>, StoreError> {
    let rows = sqlx::query_as!(
        UsableRow,
        r#"SELECT m.id, m.provider, m.provider_config_id, pc.name AS "provider_config_name?",
                  m.name, m.model, m.kind, m.max_tokens, m.temperature, m.context_length,
                  m.dimensions, m.options, m.log_payloads, m.cache, m.cache_seconds, m.created_at,
                  m.updated_at, pc.updated_at AS "provider_updated_at?",
                  m.is_default, d.user_id IS NOT NULL AS "chosen!",
                  pc.base_url AS "base_url?", pc.encrypted_key AS "encrypted_key?",
                  pc.key_id AS "key_id?", pc.config AS "config?",
                  price.input_price AS "input_price?", price.output_price AS "output_price?",
                  price.cached_input_price AS "cached_input_price?",
                  price.cache_write_price AS "cache_write_price?",
                  price.reasoning_price AS "reasoning_price?",
                  price.embedding_price AS "embedding_price?",
                  coalesce(price.tiers, '[]') AS "tiers!: Json<Vec<PriceTier>>"
           FROM gateway.ai_model_configs m
           JOIN gateway.ai_providers p ON p.name = m.provider AND p.is_active
           LEFT JOIN gateway.provider_configs pc ON pc.id = m.provider_config_id
           LEFT JOIN gateway.user_default_models d ON d.model_config_id = m.id AND d.user_id = $1
           LEFT JOIN LATERAL (
               SELECT mp.* FROM gateway.model_prices mp
               WHERE mp.provider = m.provider AND mp.model = m.model AND mp.valid_from <= $2
                 AND (mp.provider_config_id IS NULL
                      OR mp.provider_config_id = m.provider_config_id)
               ORDER BY mp.provider_config_id NULLS LAST, mp.valid_from DESC
               LIMIT 1
           ) price ON true
           WHERE m.deleted_at IS NULL AND m.is_active
             AND (m.owner_id = $1 OR m.owner_id IS NULL)
             AND (m.provider_config_id IS NULL
                  OR pc.is_active
                     AND m.provider_config_id = ANY ((SELECT gateway.my_providers())::uuid[]))
           ORDER BY m.owner_id IS NULL, lower(m.name), m.id"#,
        user,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A model as the list shows it.
pub(super) struct ListedRow {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) provider: String,
    pub(super) provider_config_id: Option<Uuid>,
    pub(super) provider_config_name: Option<String>,
    pub(super) owner_id: Option<Uuid>,
    pub(super) model: String,
    pub(super) kind: String,
    pub(super) max_tokens: Option<i32>,
    pub(super) temperature: Option<Decimal>,
    pub(super) context_length: Option<i32>,
    pub(super) dimensions: Option<i32>,
    pub(super) options: Value,
    pub(super) log_payloads: String,
    pub(super) cache: bool,
    pub(super) cache_seconds: i32,
    pub(super) is_organization_default: bool,
    pub(super) is_active: bool,
    pub(super) usable: bool,
    pub(super) input_price: Option<Decimal>,
    pub(super) output_price: Option<Decimal>,
    pub(super) cached_input_price: Option<Decimal>,
    pub(super) cache_write_price: Option<Decimal>,
    pub(super) reasoning_price: Option<Decimal>,
    pub(super) embedding_price: Option<Decimal>,
    pub(super) tiers: Json<Vec<PriceTier>>,
    pub(super) created_at: DateTime<Utc>,
}

/// The models that `user`, who is acting, sees: what they may call, and what they manage. Only `id`
/// if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<ListedRow>, StoreError> {
    let rows = sqlx::query_as!(
        ListedRow,
        r#"SELECT m.id, m.name, m.provider, m.provider_config_id,
                  pc.name AS "provider_config_name?", m.owner_id, m.model, m.kind, m.max_tokens,
                  m.temperature, m.context_length, m.dimensions, m.options,
                  m.log_payloads, m.cache, m.cache_seconds,
                  m.is_default AS is_organization_default, m.is_active,
                  p.is_active AND m.is_active AND (m.provider_config_id IS NULL
                    OR pc.is_active AND m.provider_config_id
                       = ANY ((SELECT gateway.my_providers())::uuid[])) AS "usable!",
                  price.input_price AS "input_price?", price.output_price AS "output_price?",
                  price.cached_input_price AS "cached_input_price?",
                  price.cache_write_price AS "cache_write_price?",
                  price.reasoning_price AS "reasoning_price?",
                  price.embedding_price AS "embedding_price?",
                  coalesce(price.tiers, '[]') AS "tiers!: Json<Vec<PriceTier>>", m.created_at
           FROM gateway.ai_model_configs m
           JOIN gateway.ai_providers p ON p.name = m.provider
           LEFT JOIN gateway.provider_configs pc ON pc.id = m.provider_config_id
           LEFT JOIN LATERAL (
               SELECT mp.* FROM gateway.model_prices mp
               WHERE mp.provider = m.provider AND mp.model = m.model AND mp.valid_from <= $2
                 AND (mp.provider_config_id IS NULL
                      OR mp.provider_config_id = m.provider_config_id)
               ORDER BY mp.provider_config_id NULLS LAST, mp.valid_from DESC
               LIMIT 1
           ) price ON true
           WHERE m.deleted_at IS NULL AND (m.owner_id = $1 OR m.owner_id IS NULL)
             AND ($3::uuid IS NULL OR m.id = $3)
           ORDER BY m.owner_id IS NULL, lower(m.name), m.id"#,
        user,
        now,
        id,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A model to be written.
pub(super) struct NewModel {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) provider_config_id: Uuid,
    pub(super) owner_id: Option<Uuid>,
    pub(super) name: String,
    pub(super) model: String,
    pub(super) kind: &'static str,
    pub(super) max_tokens: Option<i32>,
    pub(super) temperature: Option<Decimal>,
    pub(super) context_length: Option<i32>,
    pub(super) dimensions: Option<i32>,
    pub(super) options: Value,
    pub(super) log_payloads: &'static str,
    pub(super) cache: bool,
    pub(super) cache_seconds: i32,
    pub(super) created_by: Uuid,
    pub(super) now: DateTime<Utc>,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewModel,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.ai_model_configs
           (id, provider, provider_config_id, owner_id, name, model, kind, max_tokens, temperature,
            context_length, dimensions, options, log_payloads, cache, cache_seconds, created_by,
            created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)",
        new.id,
        new.provider,
        new.provider_config_id,
        new.owner_id,
        new.name,
        new.model,
        new.kind,
        new.max_tokens,
        new.temperature,
        new.context_length,
        new.dimensions,
        new.options,
        new.log_payloads,
        new.cache,
        new.cache_seconds,
        new.created_by,
        new.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Columns that may be changed, all with their new values.
pub(super) struct ModelValues {
    pub(super) name: String,
    pub(super) model: String,
    pub(super) max_tokens: Option<i32>,
    pub(super) temperature: Option<Decimal>,
    pub(super) context_length: Option<i32>,
    pub(super) dimensions: Option<i32>,
    pub(super) options: Value,
    pub(super) log_payloads: &'static str,
    pub(super) cache: bool,
    pub(super) cache_seconds: i32,
    pub(super) is_active: bool,
}

pub(super) async fn update(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    values: &ModelValues,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE gateway.ai_model_configs
         SET name = $3, model = $4, max_tokens = $5, temperature = $6, context_length = $7,
             dimensions = $8, options = $9, is_active = $10, log_payloads = $11,
             cache = $12, cache_seconds = $13
         WHERE id = $1 AND (owner_id = $2 OR owner_id IS NULL) AND deleted_at IS NULL",
        id,
        user,
        values.name,
        values.model,
        values.max_tokens,
        values.temperature,
        values.context_length,
        values.dimensions,
        values.options,
        values.is_active,
        values.log_payloads,
        values.cache,
        values.cache_seconds,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a model, or the models of a provider config, as deleted.
pub(super) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    id: Option<Uuid>,
    provider_config_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let done = sqlx::query!(
        "UPDATE gateway.ai_model_configs SET deleted_at = $4, is_active = false, is_default = false
         WHERE (id = $1 OR provider_config_id = $2) AND (owner_id = $3 OR owner_id IS NULL)
           AND deleted_at IS NULL",
        id,
        provider_config_id,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Makes a model the user's default of its kind.
pub(super) async fn choose(
    connection: &mut PgConnection,
    user: Uuid,
    kind: &str,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO gateway.user_default_models
           (user_id, kind, model_config_id, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (user_id, kind) DO UPDATE SET model_config_id = excluded.model_config_id",
        user,
        kind,
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the user's choice of this model back.
pub(super) async fn unchoose(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM gateway.user_default_models WHERE user_id = $1 AND model_config_id = $2",
        user,
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes a shared model the organisation's default of its kind, or no longer.
pub(super) async fn set_organization_default(
    connection: &mut PgConnection,
    id: Uuid,
    kind: &str,
    is_default: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE gateway.ai_model_configs SET is_default = false
         WHERE kind = $1 AND is_default AND deleted_at IS NULL AND (id <> $2 OR NOT $3)",
        kind,
        id,
        is_default,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE gateway.ai_model_configs SET is_default = true
         WHERE id = $1 AND owner_id IS NULL AND NOT is_default AND $2",
        id,
        is_default,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes a built-in model, or brings it up to date; its name stays as an administrator left it.
pub(super) async fn register_local(
    connection: &mut PgConnection,
    id: Uuid,
    model: &lyceum_llm::LocalModel,
    kind: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let context_length = i32::try_from(model.context_length).ok();
    let dimensions = model.dimensions.and_then(|length| i32::try_from(length).ok());
    sqlx::query!(
        "INSERT INTO gateway.ai_model_configs AS m
           (id, provider, name, model, kind, context_length, dimensions, created_at, updated_at)
         SELECT $1, 'local',
                CASE WHEN EXISTS (SELECT FROM gateway.ai_model_configs taken
                                  WHERE lower(taken.name) = lower($2) AND taken.owner_id IS NULL
                                    AND taken.deleted_at IS NULL AND taken.id <> $1)
                THEN $2 || ' (built in)' ELSE $2 END,
                $2, $3, $4, $5, $6, $6
         ON CONFLICT (id) DO UPDATE
         SET kind = excluded.kind, context_length = excluded.context_length,
             dimensions = excluded.dimensions, deleted_at = NULL
         WHERE (m.kind, m.context_length, m.dimensions, m.deleted_at)
               IS DISTINCT FROM (excluded.kind, excluded.context_length, excluded.dimensions, NULL)",
        id,
        model.id,
        kind,
        context_length,
        dimensions,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
