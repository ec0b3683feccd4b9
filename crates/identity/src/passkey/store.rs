use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::webauthn::{Asserted, Credential};
use crate::IdentityError;

/// A passkey as its owner sees it.
pub(crate) struct PasskeyRow {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) backed_up: bool,
    pub(crate) aaguid: Uuid,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
}

/// The user's passkeys, oldest first; only `id` if given.
pub(super) async fn list(
    connection: &mut PgConnection,
    user: Uuid,
    id: Option<Uuid>,
) -> Result<Vec<PasskeyRow>, IdentityError> {
    Ok(sqlx::query_as!(
        PasskeyRow,
        "SELECT id, name, backed_up, aaguid, last_used_at, created_at FROM identity.passkeys
         WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY created_at, id",
        user,
        id,
    )
    .fetch_all(connection)
    .await?)
}

/// The credential ids of a user's passkeys.
pub(crate) async fn credential_ids(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Vec<Vec<u8>>, IdentityError> {
    Ok(sqlx::query_scalar!(
        "SELECT credential_id FROM identity.passkeys WHERE user_id = $1 ORDER BY created_at, id",
        user,
    )
    .fetch_all(connection)
    .await?)
}

/// Writes a new passkey.
pub(super) async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    name: &str,
    new: &Credential,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "INSERT INTO identity.passkeys
           (id, user_id, name, credential_id, public_key, sign_count, backup_eligible, backed_up,
            aaguid, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        id,
        user,
        name,
        new.id,
        new.public_key,
        i64::from(new.sign_count),
        new.backup_eligible,
        new.backed_up,
        new.aaguid,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What checking an assertion needs to know of a passkey.
pub(super) struct KnownRow {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) public_key: Vec<u8>,
    pub(super) sign_count: i64,
    pub(super) backup_eligible: bool,
}

/// A passkey of a living user by its credential's id, locked until the transaction ends.
pub(super) async fn by_credential(
    connection: &mut PgConnection,
    credential: &[u8],
) -> Result<Option<KnownRow>, IdentityError> {
    Ok(sqlx::query_as!(
        KnownRow,
        "SELECT p.id, p.user_id, p.public_key, p.sign_count, p.backup_eligible
         FROM identity.passkeys p JOIN identity.users u ON u.id = p.user_id
         WHERE p.credential_id = $1 AND u.deleted_at IS NULL FOR UPDATE OF p",
        credential,
    )
    .fetch_optional(connection)
    .await?)
}

/// Notes a use.
pub(super) async fn note_use(
    connection: &mut PgConnection,
    id: Uuid,
    asserted: &Asserted,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.passkeys SET sign_count = $2, backed_up = $3, last_used_at = $4
         WHERE id = $1",
        id,
        i64::from(asserted.sign_count),
        asserted.backed_up,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Renames a passkey of this user; says whether there is one.
pub(super) async fn rename(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    name: &str,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.passkeys SET name = $3 WHERE id = $1 AND user_id = $2",
        id,
        user,
        name,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes a passkey of this user; says whether there was one.
pub(super) async fn delete(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
) -> Result<bool, IdentityError> {
    let done =
        sqlx::query!("DELETE FROM identity.passkeys WHERE id = $1 AND user_id = $2", id, user)
            .execute(connection)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// The names by which an authenticator tells accounts apart.
pub(super) async fn names(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Option<(String, Option<String>)>, IdentityError> {
    let row = sqlx::query!(
        r#"SELECT username::text AS "username!", display_name FROM identity.users WHERE id = $1"#,
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.username, row.display_name)))
}

/// How many ways a user has to sign in: password, passkeys, linked accounts.
pub(crate) async fn ways_in(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<i64, IdentityError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM identity.users
                   WHERE id = $1 AND password_hash IS NOT NULL)
                + (SELECT count(*) FROM identity.passkeys WHERE user_id = $1)
                + (SELECT count(*) FROM identity.oidc_accounts WHERE user_id = $1) AS "ways!""#,
        user,
    )
    .fetch_one(connection)
    .await?)
}
