use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// A token as administrators see it.
pub(crate) struct ScimTokenRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) hint: String,
    pub(crate) oidc_provider_id: Option<Uuid>,
    pub(crate) created_by: Option<Uuid>,
    pub(crate) created_by_name: Option<String>,
    /// How many living people came by it.
    pub(crate) people: i64,
    pub(crate) previous_hint: Option<String>,
    pub(crate) previous_expires_at: Option<DateTime<Utc>>,
    pub(crate) rotated_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// A token to be written.
pub(super) struct NewRow<'a> {
    pub(super) id: Uuid,
    pub(super) name: &'a str,
    pub(super) hash: &'a [u8; 32],
    pub(super) hint: &'a str,
    pub(super) oidc_provider: Option<Uuid>,
    pub(super) created_by: Uuid,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

/// Writes a new token; says no where it would be one more than `limit`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewRow<'_>,
    limit: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "INSERT INTO identity.scim_tokens
           (id, name, token_hash, hint, oidc_provider_id, created_by, expires_at, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8
         WHERE (SELECT count(*) FROM identity.scim_tokens WHERE revoked_at IS NULL) < $9",
        new.id,
        new.name,
        new.hash.as_slice(),
        new.hint,
        new.oidc_provider,
        new.created_by,
        new.expires_at,
        new.now,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The tokens that were not revoked, newest first; only `id` if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    id: Option<Uuid>,
) -> Result<Vec<ScimTokenRow>, IdentityError> {
    Ok(sqlx::query_as!(
        ScimTokenRow,
        r#"SELECT t.id, t.name, t.hint, t.oidc_provider_id, t.created_by,
                  d.username::text AS "created_by_name?",
                  (SELECT count(*) FROM identity.users u
                   WHERE u.provisioned_by = t.id AND u.deleted_at IS NULL) AS "people!",
                  t.previous_hint, t.previous_expires_at, t.rotated_at, t.expires_at,
                  t.last_used_at, t.created_at
           FROM identity.scim_tokens t LEFT JOIN app.directory d ON d.id = t.created_by
           WHERE t.revoked_at IS NULL AND ($1::uuid IS NULL OR t.id = $1)
           ORDER BY t.created_at DESC, t.id DESC"#,
        id,
    )
    .fetch_all(connection)
    .await?)
}

/// One token that was not revoked.
pub(super) async fn find(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<ScimTokenRow, IdentityError> {
    let found = list(connection, Some(id)).await?.into_iter().next();
    found.ok_or(IdentityError::NotFound("SCIM token"))
}

/// Changes the name and the issuer; `None` stays. What is not there is told by [`find`].
pub(super) async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    name: Option<&str>,
    oidc_provider: Option<Option<Uuid>>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.scim_tokens
         SET name = coalesce($2, name),
             oidc_provider_id = CASE WHEN $3 THEN $4 ELSE oidc_provider_id END
         WHERE id = $1 AND revoked_at IS NULL",
        id,
        name,
        oidc_provider.is_some(),
        oidc_provider.flatten(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts a new secret in the place of the present one, which works until `previous_until`, unless it
/// did not work any more: `by` answers for the token from now on. What is not there is told by
/// [`find`].
pub(super) async fn rotate(
    connection: &mut PgConnection,
    id: Uuid,
    hash: &[u8; 32],
    hint: &str,
    now: DateTime<Utc>,
    by: Uuid,
    previous_until: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.scim_tokens
         SET previous_hash = token_hash, previous_hint = hint,
             previous_expires_at = CASE WHEN app.person_may(created_by, '*', '*')
                                        THEN $6::timestamptz ELSE $4::timestamptz END,
             token_hash = $2, hint = $3, rotated_at = $4::timestamptz, created_by = $5
         WHERE id = $1 AND revoked_at IS NULL",
        id,
        hash.as_slice(),
        hint,
        now,
        by,
        previous_until,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Revokes a token for good; says whether there was one.
pub(super) async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.scim_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The token of this secret, if it works at this moment: only while whoever answers for it is active
/// and has all rights. A secret that a rotation replaced is good until its own end.
pub(crate) async fn working(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM identity.scim_tokens
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
           AND app.person_may(created_by, '*', '*')
           AND (token_hash = $1 OR previous_hash = $1 AND previous_expires_at > $2)",
        hash.as_slice(),
        now,
    )
    .fetch_optional(connection)
    .await?)
}

/// Notes a use, once a minute.
pub(crate) async fn note_use(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.scim_tokens SET last_used_at = $2
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - interval '1 minute')",
        id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
