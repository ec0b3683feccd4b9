use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use serde_json::{Value, json};
use sqlx::PgConnection;
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
    pub(crate) created_at: DateTime<Utc>,
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
           (id, user_id, name, key_hash, hint, permissions, expires_at, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8
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
) -> Result<Page<ApiKeyRow>, IdentityError> {
    let rows = sqlx::query!(
        "SELECT id, name, hint, permissions, expires_at, last_used_at, status, created_at
         FROM identity.api_keys
         WHERE user_id = $1 AND status <> 'revoked' AND deleted_at IS NULL
           AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC LIMIT $4",
        user,
        page.after.map(|cursor| cursor.at),
        page.after.map(|cursor| cursor.id),
        page.limit + 1,
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|row| ApiKeyRow {
        id: row.id,
        name: row.name,
        hint: row.hint,
        permissions: texts(&row.permissions),
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        status: row.status,
        created_at: row.created_at,
    });
    let cursor = |row: &ApiKeyRow| Cursor { at: row.created_at, id: row.id };
    Ok(Page::from_rows(rows.collect(), page.limit, cursor))
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
