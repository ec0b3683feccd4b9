use chrono::{DateTime, Utc};
use lyceum_store::{CryptoError, Keyring, Sealed, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::credentials::Credentials;
use crate::GatewayError;

/// A kind of provider.
#[derive(Serialize, Deserialize)]
pub(super) struct ProviderRow {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) default_base_url: Option<String>,
    pub(super) requires_api_key: bool,
    pub(super) config_schema: Value,
    pub(super) is_active: bool,
}

/// The catalogue: what works first, by name.
pub(super) async fn catalogue(
    connection: &mut PgConnection,
) -> Result<Vec<ProviderRow>, StoreError> {
    let rows = sqlx::query_as!(
        ProviderRow,
        "SELECT name, display_name, default_base_url, requires_api_key, config_schema, is_active
         FROM gateway.ai_providers WHERE name <> 'route' ORDER BY NOT is_active, display_name"
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One kind of provider.
pub(super) async fn kind(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<ProviderRow>, StoreError> {
    let row = sqlx::query_as!(
        ProviderRow,
        "SELECT name, display_name, default_base_url, requires_api_key, config_schema, is_active
         FROM gateway.ai_providers WHERE name = $1 AND name <> 'route'",
        name,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// A provider config.
#[derive(Debug)]
pub(crate) struct ConfigRow {
    pub(crate) id: Uuid,
    pub(crate) provider: String,
    pub(crate) scope: String,
    pub(crate) owner_id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) base_url: String,
    pub(crate) encrypted_key: Option<Vec<u8>>,
    pub(crate) key_id: Option<String>,
    pub(crate) key_hint: Option<String>,
    pub(crate) config: Value,
    pub(crate) audience: String,
    pub(crate) is_active: bool,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl ConfigRow {
    /// What is sealed of it.
    pub(super) fn credentials(&self, keyring: &Keyring) -> Result<Credentials, CryptoError> {
        let sealed = self.encrypted_key.clone().zip(self.key_id.clone());
        Credentials::open(keyring, self.id, sealed.map(|(bytes, key_id)| Sealed { key_id, bytes }))
    }
}

/// The provider configs that `user` sees, their own first; only `id` if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    id: Option<Uuid>,
) -> Result<Vec<ConfigRow>, StoreError> {
    let rows = sqlx::query_as!(
        ConfigRow,
        "SELECT id, provider, scope, owner_id, name, base_url, encrypted_key, key_id, key_hint,
                config, audience, is_active, created_by, created_at, updated_at
         FROM gateway.provider_configs
         WHERE deleted_at IS NULL AND (owner_id = $1 OR scope = 'organization')
           AND ($2::uuid IS NULL OR id = $2)
         ORDER BY scope = 'organization', lower(name), id",
        user,
        id,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One provider config that `user` sees.
pub(crate) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<ConfigRow, GatewayError> {
    let rows = list(connection, user, Some(id)).await?;
    rows.into_iter().next().ok_or(GatewayError::NotFound("provider"))
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    row: &ConfigRow,
    created_by: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO gateway.provider_configs
           (id, provider, scope, owner_id, name, base_url, encrypted_key, key_id, key_hint, config,
            audience, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)",
        row.id,
        row.provider,
        row.scope,
        row.owner_id,
        row.name,
        row.base_url,
        row.encrypted_key,
        row.key_id,
        row.key_hint,
        row.config,
        row.audience,
        created_by,
        row.created_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn update(
    connection: &mut PgConnection,
    user: Uuid,
    row: &ConfigRow,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE gateway.provider_configs
         SET name = $3, base_url = $4, encrypted_key = $5, key_id = $6, key_hint = $7, config = $8,
             is_active = $9, audience = $10
         WHERE id = $1 AND (owner_id = $2 OR scope = 'organization') AND deleted_at IS NULL",
        row.id,
        user,
        row.name,
        row.base_url,
        row.encrypted_key,
        row.key_id,
        row.key_hint,
        row.config,
        row.is_active,
        row.audience,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a provider config as deleted and forgets its key at once.
pub(super) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE gateway.provider_configs
         SET deleted_at = $3, is_active = false, encrypted_key = NULL, key_id = NULL
         WHERE id = $1 AND (owner_id = $2 OR scope = 'organization') AND deleted_at IS NULL",
        id,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
