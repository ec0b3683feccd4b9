use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::types::ipnet::IpNet;
use uuid::Uuid;

use crate::IdentityError;

/// A key as its owner sees it.
pub(crate) struct ApiKeyRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) hint: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) status: String,
    pub(crate) allowed_addresses: Vec<IpNet>,
    pub(crate) models: Option<Vec<String>>,
    /// The secret that a rotation replaced, while it works.
    pub(crate) previous: Option<PreviousSecret>,
    pub(crate) rotated_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// A secret that works beside the present one for a while.
pub(crate) struct PreviousSecret {
    pub(crate) hint: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Writes a new key; says no where it would be one more than `limit`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    user: Uuid,
    row: &ApiKeyRow,
    hash: &[u8; 32],
    limit: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.api_keys
           (id, user_id, name, key_hash, hint, permissions, expires_at, created_at,
            allowed_addresses, models)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $10, $11
         WHERE (SELECT count(*) FROM identity.api_keys
                WHERE user_id = $2 AND status <> 'revoked' AND deleted_at IS NULL) < $9",
        row.id,
        user,
        row.name,
        hash.as_slice(),
        row.hint,
        json!(row.permissions),
        row.expires_at,
        row.created_at,
        limit,
        &row.allowed_addresses,
        row.models.as_deref() as Option<&[String]>,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The user's keys that were not revoked, newest first.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    page: PageRequest,
    now: DateTime<Utc>,
) -> Result<Page<ApiKeyRow>, IdentityError> {
    let rows = select(connection, user, None, page, now).await?;
    let cursor = |row: &ApiKeyRow| Cursor { at: row.created_at, id: row.id };
    Ok(Page::from_rows(rows, page.limit, cursor))
}

/// One of the user's keys that was not revoked.
pub(super) async fn find(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<ApiKeyRow, IdentityError> {
    let one = PageRequest { limit: 1, after: None };
    let rows = select(connection, user, Some(id), one, now).await?;
    rows.into_iter().next().ok_or(IdentityError::NotFound("API key"))
}

async fn select(
    connection: &mut PgConnection,
    user: Uuid,
    id: Option<Uuid>,
    page: PageRequest,
    now: DateTime<Utc>,
) -> Result<Vec<ApiKeyRow>, IdentityError> {
    let rows = sqlx::query!(
        r#"SELECT id, name, hint, permissions, expires_at, last_used_at, status, created_at,
                  allowed_addresses AS "allowed_addresses: Vec<IpNet>", previous_hint,
                  previous_expires_at, rotated_at, models
           FROM identity.api_keys
           WHERE user_id = $1 AND status <> 'revoked' AND deleted_at IS NULL
             AND ($5::uuid IS NULL OR id = $5)
             AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
           ORDER BY created_at DESC, id DESC LIMIT $4"#,
        user,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
        id,
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let previous = row.previous_hint.zip(row.previous_expires_at);
        ApiKeyRow {
            id: row.id,
            name: row.name,
            hint: row.hint,
            permissions: texts(&row.permissions),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            status: row.status,
            allowed_addresses: row.allowed_addresses,
            models: row.models,
            previous: previous
                .map(|(hint, expires_at)| PreviousSecret { hint, expires_at })
                .filter(|previous| now < previous.expires_at),
            rotated_at: row.rotated_at,
            created_at: row.created_at,
        }
    });
    Ok(rows.collect())
}

/// What changes about a key; `None` stays.
pub(super) struct Change<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) status: Option<&'a str>,
    pub(super) allowed_addresses: Option<&'a [IpNet]>,
    pub(super) models: Option<Option<&'a [String]>>,
}

/// Changes a key that was not revoked. What is not there is told by [`find`].
pub(super) async fn update(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    change: &Change<'_>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.api_keys
         SET name = coalesce($3, name), status = coalesce($4, status),
             allowed_addresses = coalesce($5, allowed_addresses),
             models = CASE WHEN $6 THEN $7 ELSE models END
         WHERE id = $1 AND user_id = $2 AND status <> 'revoked' AND deleted_at IS NULL",
        id,
        user,
        change.name,
        change.status,
        change.allowed_addresses as Option<&[IpNet]>,
        change.models.is_some(),
        change.models.flatten() as Option<&[String]>,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a new secret in the place of the present one, which works until `previous_until`. What is
/// not there is told by [`find`].
pub(super) async fn rotate(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    hash: &[u8; 32],
    hint: &str,
    now: DateTime<Utc>,
    previous_until: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.api_keys
         SET previous_hash = key_hash, previous_hint = hint, previous_expires_at = $6,
             key_hash = $3, hint = $4, rotated_at = $5
         WHERE id = $1 AND user_id = $2 AND status <> 'revoked' AND deleted_at IS NULL",
        id,
        user,
        hash.as_slice(),
        hint,
        now,
        previous_until,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Revokes a key of this user; says whether there was one.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.api_keys SET status = 'revoked', deleted_at = $3
         WHERE id = $1 AND user_id = $2 AND status <> 'revoked' AND deleted_at IS NULL",
        id,
        user,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
