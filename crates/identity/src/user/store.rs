use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// A user to be written.
pub(crate) struct NewUser {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) display_name: Option<String>,
    pub(crate) password_hash: String,
}

/// A user with the names of their roles.
pub(crate) struct UserRow {
    pub(crate) id: Uuid,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) display_name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) department: Option<String>,
    pub(crate) position: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) status: String,
    pub(crate) roles: Vec<String>,
    pub(crate) last_login_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
}

/// A role.
pub(crate) struct RoleRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) permissions: Value,
}

/// Writes a new, active user.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    new: &NewUser,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.users
           (id, username, email, display_name, password_hash, created_at, updated_at)
         VALUES ($1, $2::text::citext, $3::text::citext, $4, $5, $6, $6)",
        new.id,
        new.username,
        new.email,
        new.display_name,
        new.password_hash,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives roles; those that the user has already stay as they are.
pub(crate) async fn grant(
    connection: &mut PgConnection,
    user: Uuid,
    roles: &[Uuid],
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.user_roles (user_id, role_id, granted_by, granted_at)
         SELECT $1, role_id, $3, $4 FROM unnest($2::uuid[]) AS role_id
         ON CONFLICT (user_id, role_id) DO NOTHING",
        user,
        roles,
        by,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes every role but these.
pub(super) async fn take_other_roles(
    connection: &mut PgConnection,
    user: Uuid,
    keep: &[Uuid],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "DELETE FROM identity.user_roles WHERE user_id = $1 AND role_id <> ALL ($2)",
        user,
        keep,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The roles of a user, by name.
pub(crate) async fn roles_of(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<RoleRow>, IdentityError> {
    Ok(sqlx::query_as!(
        RoleRow,
        "SELECT r.id, r.name, r.permissions
         FROM identity.user_roles ur JOIN identity.roles r ON r.id = ur.role_id
         WHERE ur.user_id = $1 ORDER BY r.name",
        user,
    )
    .fetch_all(connection)
    .await?)
}

/// A role by its name.
pub(super) async fn role(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<RoleRow>, IdentityError> {
    if name.contains('\0') {
        return Ok(None);
    }
    Ok(sqlx::query_as!(
        RoleRow,
        "SELECT id, name, permissions FROM identity.roles WHERE name = $1",
        name,
    )
    .fetch_optional(connection)
    .await?)
}

/// One living user.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Option<UserRow>, IdentityError> {
    Ok(sqlx::query_as!(
        UserRow,
        r#"SELECT u.id, u.username::text AS "username!", u.email::text AS "email!",
                  u.email_verified, u.display_name, u.first_name, u.last_name, u.organization,
                  u.department, u.position, u.avatar_url, u.status, u.last_login_at, u.created_at,
                  u.deleted_at,
                  ARRAY(SELECT r.name FROM identity.user_roles ur
                        JOIN identity.roles r ON r.id = ur.role_id
                        WHERE ur.user_id = u.id ORDER BY r.name) AS "roles!"
           FROM identity.users u WHERE u.id = $1 AND u.deleted_at IS NULL"#,
        id,
    )
    .fetch_optional(connection)
    .await?)
}

/// A page of the living users, or of the deleted ones, whose name or address has `search` in it, newest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    search: Option<&str>,
    deleted: bool,
    page: PageRequest,
) -> Result<Page<UserRow>, IdentityError> {
    let rows = sqlx::query_as!(
        UserRow,
        r#"SELECT u.id, u.username::text AS "username!", u.email::text AS "email!",
                  u.email_verified, u.display_name, u.first_name, u.last_name, u.organization,
                  u.department, u.position, u.avatar_url, u.status, u.last_login_at, u.created_at,
                  u.deleted_at,
                  ARRAY(SELECT r.name FROM identity.user_roles ur
                        JOIN identity.roles r ON r.id = ur.role_id
                        WHERE ur.user_id = u.id ORDER BY r.name) AS "roles!"
           FROM identity.users u
           WHERE (u.deleted_at IS NOT NULL) = $5
             AND ($1::text IS NULL
                  OR strpos(lower(concat_ws(' ', u.username::text, u.email::text, u.display_name)),
                            lower($1)) > 0)
             AND ($2::timestamptz IS NULL OR (u.created_at, u.id) < ($2, $3::uuid))
           ORDER BY u.created_at DESC, u.id DESC LIMIT $4"#,
        search,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
        deleted,
    )
    .fetch_all(connection)
    .await?;
    let cursor = |row: &UserRow| Cursor { at: row.created_at, id: row.id };
    Ok(Page::from_rows(rows, page.limit, cursor))
}

/// Sets the password's hash.
pub(crate) async fn set_password(
    connection: &mut PgConnection,
    user: Uuid,
    hash: &str,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.users SET password_hash = $2 WHERE id = $1", user, hash)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets the state of the account.
pub(crate) async fn set_status(
    connection: &mut PgConnection,
    user: Uuid,
    status: &str,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.users SET status = $2 WHERE id = $1", user, status)
        .execute(connection)
        .await?;
    Ok(())
}

/// Sets columns of the profile; those that `columns` does not name stay.
pub(crate) async fn set_profile(
    connection: &mut PgConnection,
    user: Uuid,
    columns: &Value,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.users AS u
         SET display_name = n.display_name, first_name = n.first_name, last_name = n.last_name,
             organization = n.organization, department = n.department, position = n.position
         FROM identity.users AS o, jsonb_populate_record(o, $2) AS n
         WHERE u.id = $1 AND o.id = $1 AND $2 <> '{}'",
        user,
        columns,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that the address is the person's own.
pub(crate) async fn mark_email_verified(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    sqlx::query!("UPDATE identity.users SET email_verified = true WHERE id = $1", user)
        .execute(connection)
        .await?;
    Ok(())
}
