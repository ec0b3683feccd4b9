//! Settings that administrators change while the platform runs.

pub(crate) mod http;
mod schema;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Ops, OpsError};

/// A setting of the platform. Never a secret: settings stand in the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemConfig {
    /// Its name, such as `audit.retention_days`.
    pub(crate) key: String,
    pub(crate) value: Value,
    /// What a value must be, as a JSON Schema.
    pub(crate) value_schema: Value,
    /// Where it belongs in the list.
    pub(crate) category: String,
    pub(crate) description: String,
    /// Whether everybody who is signed in sees it.
    pub(crate) is_public: bool,
    /// Who changed it last.
    pub(crate) updated_by: Option<Uuid>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Ops {
    pub(crate) async fn configs(&self, user: Uuid) -> Result<Vec<SystemConfig>, OpsError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let configs = store::list(&mut tx).await?;
        tx.commit().await?;
        Ok(configs)
    }

    pub(crate) async fn config(&self, user: Uuid, key: &str) -> Result<SystemConfig, OpsError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let config = store::find(&mut tx, key).await?.ok_or(OpsError::NotFound("setting"))?;
        tx.commit().await?;
        Ok(config)
    }

    /// Sets a value that fits the setting's schema.
    pub(crate) async fn set_config(
        &self,
        user: Uuid,
        key: &str,
        value: &Value,
    ) -> Result<SystemConfig, OpsError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        let config = store::find(&mut tx, key).await?.ok_or(OpsError::NotFound("setting"))?;
        schema::check(&config.value_schema, value).map_err(OpsError::InvalidValue)?;
        let config =
            store::set(&mut tx, key, value, user).await?.ok_or(OpsError::NotFound("setting"))?;
        tx.commit().await?;
        Ok(config)
    }
}

/// The moment that lies as many days back as the setting says.
pub(crate) async fn days_before(
    connection: &mut PgConnection,
    key: &str,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, OpsError> {
    let config = store::find(connection, key).await?.ok_or(OpsError::NotFound("setting"))?;
    let days = config.value.as_i64().ok_or_else(|| {
        OpsError::InvalidValue(format!("of {key} must be a whole number of days"))
    })?;
    Ok(now - TimeDelta::days(days))
}
