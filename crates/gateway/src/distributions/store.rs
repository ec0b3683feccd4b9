use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest, new_id};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::GatewayError;

/// A provider given to a person or a group.
pub(crate) struct DistributionRow {
    pub(crate) id: Uuid,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) username: Option<String>,
    pub(crate) group_id: Option<Uuid>,
    pub(crate) group_name: Option<String>,
    pub(crate) granted_by: Option<Uuid>,
    pub(crate) granted_by_name: Option<String>,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
}

/// One way by which a person may use a provider.
pub(crate) struct AvailableRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) scope: String,
    pub(crate) via: String,
    pub(crate) group_id: Option<Uuid>,
    pub(crate) group_name: Option<String>,
    pub(crate) granted_by_name: Option<String>,
    pub(crate) granted_at: DateTime<Utc>,
}

/// A page of those who have been given `provider`, the latest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    provider: Uuid,
    page: PageRequest,
) -> Result<Page<DistributionRow>, GatewayError> {
    let rows = sqlx::query_as!(
        DistributionRow,
        r#"SELECT pd.id, pd.user_id, u.username::text AS "username?", pd.group_id,
                  g.name::text AS "group_name?", pd.granted_by,
                  b.username::text AS "granted_by_name?", pd.is_active, pd.created_at
           FROM gateway.provider_distributions pd
           LEFT JOIN app.directory u ON u.id = pd.user_id
           LEFT JOIN identity.groups g ON g.id = pd.group_id AND g.deleted_at IS NULL
           LEFT JOIN app.directory b ON b.id = pd.granted_by
           WHERE pd.provider_config_id = $1
             AND ($2::timestamptz IS NULL OR (pd.created_at, pd.id) < ($2, $3::uuid))
           ORDER BY pd.created_at DESC, pd.id DESC LIMIT $4"#,
        provider,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id }))
}

/// Refuses who is not there, or not any more.
pub(super) async fn require_person(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), GatewayError> {
    let found = sqlx::query_scalar!("SELECT id FROM app.directory WHERE id = $1", user)
        .fetch_optional(connection)
        .await?;
    found.map(drop).ok_or(GatewayError::NotFound("user"))
}

/// Refuses a group that the acting user does not see.
pub(super) async fn require_group(
    connection: &mut PgConnection,
    group: Uuid,
) -> Result<(), GatewayError> {
    let found = sqlx::query_scalar!(
        "SELECT id FROM identity.groups WHERE id = $1 AND deleted_at IS NULL",
        group,
    )
    .fetch_optional(connection)
    .await?;
    found.map(drop).ok_or(GatewayError::NotFound("group"))
}

/// Gives the provider to a person or a group; one that is active already stays as it is. Answers how
/// many rows changed.
pub(super) async fn add(
    connection: &mut PgConnection,
    provider: Uuid,
    user: Option<Uuid>,
    group: Option<Uuid>,
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<u64, GatewayError> {
    let done = sqlx::query!(
        "INSERT INTO gateway.provider_distributions AS pd
           (id, provider_config_id, user_id, group_id, granted_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)
         ON CONFLICT (provider_config_id, scope, user_id, group_id) DO UPDATE
         SET is_active = true, granted_by = excluded.granted_by, created_at = excluded.created_at
         WHERE NOT pd.is_active",
        new_id(),
        provider,
        user,
        group,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// Switches a distribution on or off.
pub(super) async fn set_active(
    connection: &mut PgConnection,
    provider: Uuid,
    id: Uuid,
    is_active: bool,
) -> Result<(), GatewayError> {
    let done = sqlx::query!(
        "UPDATE gateway.provider_distributions SET is_active = $3
         WHERE id = $1 AND provider_config_id = $2",
        id,
        provider,
        is_active,
    )
    .execute(connection)
    .await?;
    found(done.rows_affected())
}

/// Takes a distribution away.
pub(super) async fn remove(
    connection: &mut PgConnection,
    provider: Uuid,
    id: Uuid,
) -> Result<(), GatewayError> {
    let done = sqlx::query!(
        "DELETE FROM gateway.provider_distributions WHERE id = $1 AND provider_config_id = $2",
        id,
        provider,
    )
    .execute(connection)
    .await?;
    found(done.rows_affected())
}

fn found(rows: u64) -> Result<(), GatewayError> {
    if rows == 0 { Err(GatewayError::NotFound("distribution")) } else { Ok(()) }
}

/// Every way by which `user` may use a provider, by the provider's name.
pub(super) async fn available(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<AvailableRow>, GatewayError> {
    let rows = sqlx::query_as!(
        AvailableRow,
        r#"SELECT a.id AS "id!", a.name AS "name!", a.provider_type AS "provider!",
                  a.scope AS "scope!", a.via AS "via!", a.group_id,
                  g.name::text AS "group_name?", b.username::text AS "granted_by_name?",
                  a.granted_at AS "granted_at!"
           FROM gateway.user_available_providers a
           LEFT JOIN identity.groups g ON g.id = a.group_id
           LEFT JOIN app.directory b ON b.id = a.granted_by
           WHERE a.available_to_user = $1
           ORDER BY lower(a.name), a.id, a.granted_at"#,
        user,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}
