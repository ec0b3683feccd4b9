use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::SystemConfig;
use crate::OpsError;

pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<SystemConfig>, OpsError> {
    let configs = sqlx::query_as!(
        SystemConfig,
        "SELECT key, value, value_schema, category, description, is_public, updated_by, updated_at
         FROM ops.system_configs ORDER BY category, key"
    )
    .fetch_all(connection)
    .await?;
    Ok(configs)
}

pub(super) async fn find(
    connection: &mut PgConnection,
    key: &str,
) -> Result<Option<SystemConfig>, OpsError> {
    // PostgreSQL has no such character in a text.
    if key.contains('\0') {
        return Ok(None);
    }
    let config = sqlx::query_as!(
        SystemConfig,
        "SELECT key, value, value_schema, category, description, is_public, updated_by, updated_at
         FROM ops.system_configs WHERE key = $1",
        key
    )
    .fetch_optional(connection)
    .await?;
    Ok(config)
}

pub(super) async fn set(
    connection: &mut PgConnection,
    key: &str,
    value: &Value,
    by: Uuid,
) -> Result<Option<SystemConfig>, OpsError> {
    let config = sqlx::query_as!(
        SystemConfig,
        "UPDATE ops.system_configs SET value = $2, updated_by = $3 WHERE key = $1
         RETURNING key, value, value_schema, category, description, is_public, updated_by,
                   updated_at",
        key,
        value,
        by
    )
    .fetch_optional(connection)
    .await?;
    Ok(config)
}
