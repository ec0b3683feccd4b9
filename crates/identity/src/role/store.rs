use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// A role and how many living people have it.
pub(crate) struct RoleRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) permissions: Value,
    pub(crate) is_preset: bool,
    pub(crate) user_count: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A role that a person has.
pub(crate) struct AssignedRow {
    pub(crate) role_id: Uuid,
    pub(crate) name: String,
    pub(crate) granted_by: Option<Uuid>,
    pub(crate) granted_by_name: Option<String>,
    pub(crate) granted_at: DateTime<Utc>,
}

/// All roles by name, the preset ones first.
pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<RoleRow>, IdentityError> {
    Ok(sqlx::query_as!(
        RoleRow,
        r#"SELECT r.id, r.name, r.description, r.permissions, r.is_preset, r.created_at,
                  r.updated_at,
                  (SELECT count(*) FROM identity.user_roles ur WHERE ur.role_id = r.id
                   AND ur.user_id NOT IN (SELECT id FROM app.departed)) AS "user_count!"
           FROM identity.roles r ORDER BY NOT r.is_preset, r.name"#,
    )
    .fetch_all(connection)
    .await?)
}

/// One role.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<RoleRow>, IdentityError> {
    Ok(sqlx::query_as!(
        RoleRow,
        r#"SELECT r.id, r.name, r.description, r.permissions, r.is_preset, r.created_at,
                  r.updated_at,
                  (SELECT count(*) FROM identity.user_roles ur WHERE ur.role_id = r.id
                   AND ur.user_id NOT IN (SELECT id FROM app.departed)) AS "user_count!"
           FROM identity.roles r WHERE r.id = $1"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

/// Writes a new role; says no where it would be one more than `limit`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    name: &str,
    description: &str,
    permissions: &[String],
    now: DateTime<Utc>,
    limit: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.roles (id, name, description, permissions, created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $5 WHERE (SELECT count(*) FROM identity.roles) < $6",
        id,
        name,
        description,
        json!(permissions),
        now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Changes a role; `None` stays.
pub(super) async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    name: Option<&str>,
    description: Option<&str>,
    permissions: Option<&[String]>,
) -> Result<(), IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.roles
         SET name = coalesce($2, name), description = coalesce($3, description),
             permissions = coalesce($4, permissions)
         WHERE id = $1 AND NOT is_preset",
        id,
        name,
        description,
        permissions.map(|patterns| json!(patterns)),
    )
    .execute(connection)
    .await?;
    // What the database hides from writing is beyond the caller's rights by now.
    if done.rows_affected() == 0 { Err(IdentityError::AdministratorsOnly) } else { Ok(()) }
}

/// Deletes a role.
pub(super) async fn delete(connection: &mut PgConnection, id: Uuid) -> Result<(), IdentityError> {
    let done = sqlx::query!("DELETE FROM identity.roles WHERE id = $1 AND NOT is_preset", id)
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 { Err(IdentityError::AdministratorsOnly) } else { Ok(()) }
}

/// Refuses who is not there, or not any more.
pub(crate) async fn require_person(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    let found = sqlx::query_scalar!("SELECT id FROM app.directory WHERE id = $1", user)
        .fetch_optional(connection)
        .await?;
    found.map(drop).ok_or(IdentityError::NotFound("user"))
}

/// The roles of a person by name.
pub(super) async fn of_user(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<AssignedRow>, IdentityError> {
    Ok(sqlx::query_as!(
        AssignedRow,
        r#"SELECT r.id AS role_id, r.name, ur.granted_by, ur.granted_at,
                  d.username::text AS "granted_by_name?"
           FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
           LEFT JOIN app.directory d ON d.id = ur.granted_by
           WHERE ur.user_id = $1 ORDER BY r.name"#,
        user,
    )
    .fetch_all(connection)
    .await?)
}

/// Gives a role.
pub(super) async fn assign(
    connection: &mut PgConnection,
    user: Uuid,
    role: Uuid,
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.user_roles (user_id, role_id, granted_by, granted_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        user,
        role,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a role back; says whether the person had it.
pub(super) async fn withdraw(
    connection: &mut PgConnection,
    user: Uuid,
    role: Uuid,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "DELETE FROM identity.user_roles WHERE user_id = $1 AND role_id = $2",
        user,
        role,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
