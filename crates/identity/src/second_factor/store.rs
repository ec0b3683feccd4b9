use chrono::{DateTime, Utc};
use lyceum_core::new_id;
use lyceum_store::Sealed;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;

/// What somebody has set up.
#[derive(Debug)]
pub(crate) struct Factors {
    pub(crate) totp: bool,
    pub(crate) passkeys: i64,
    pub(crate) recovery_codes: i64,
    /// Whether the platform's setting asks this person for one.
    pub(crate) required: bool,
}

impl Factors {
    /// Whether a second factor is on.
    pub(crate) fn on(&self) -> bool {
        self.totp || self.passkeys > 0
    }
}

/// The second factors of a user.
pub(crate) async fn factors(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Factors, IdentityError> {
    Ok(sqlx::query_as!(
        Factors,
        r#"SELECT EXISTS (SELECT FROM identity.totp_secrets
                          WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS "totp!",
                  (SELECT count(*) FROM identity.passkeys WHERE user_id = $1) AS "passkeys!",
                  (SELECT count(*) FROM identity.recovery_codes
                   WHERE user_id = $1 AND used_at IS NULL) AS "recovery_codes!",
                  identity.requires_second_factor($1) AS "required!""#,
        user,
    )
    .fetch_one(connection)
    .await?)
}

/// The address by which an authenticator app names the account.
pub(super) async fn email(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<String, IdentityError> {
    let email = sqlx::query_scalar!(
        r#"SELECT email::text AS "email!" FROM identity.users WHERE id = $1"#,
        user
    )
    .fetch_optional(connection)
    .await?;
    email.ok_or(IdentityError::NotFound("user"))
}

/// The secret of an authenticator app.
pub(super) struct Totp {
    pub(super) id: Uuid,
    pub(super) sealed: Sealed,
    pub(super) confirmed: bool,
}

/// The user's app, locked until the transaction ends.
pub(super) async fn totp(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<Option<Totp>, IdentityError> {
    let row = sqlx::query!(
        r#"SELECT id, encrypted_secret, key_id, confirmed_at IS NOT NULL AS "confirmed!"
           FROM identity.totp_secrets WHERE user_id = $1 FOR UPDATE"#,
        user,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Totp {
        id: row.id,
        sealed: Sealed { key_id: row.key_id, bytes: row.encrypted_secret },
        confirmed: row.confirmed,
    }))
}

/// Keeps a secret that no code has confirmed yet, in place of another such.
pub(super) async fn put_totp(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    sealed: &Sealed,
) -> Result<(), IdentityError> {
    let put = sqlx::query!(
        "INSERT INTO identity.totp_secrets (id, user_id, encrypted_secret, key_id)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE
         SET id = excluded.id, encrypted_secret = excluded.encrypted_secret,
             key_id = excluded.key_id, last_step = 0
         WHERE totp_secrets.confirmed_at IS NULL",
        id,
        user,
        sealed.bytes,
        sealed.key_id,
    )
    .execute(connection)
    .await?;
    if put.rows_affected() == 0 {
        return Err(IdentityError::TotpOn);
    }
    Ok(())
}

/// Puts the user's app into force.
pub(super) async fn confirm_totp(
    connection: &mut PgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.totp_secrets SET confirmed_at = $2 WHERE user_id = $1",
        user,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Uses up a step and all before it; says no where it was used already.
pub(super) async fn use_step(
    connection: &mut PgConnection,
    user: Uuid,
    step: i64,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.totp_secrets SET last_step = $2 WHERE user_id = $1 AND last_step < $2",
        user,
        step,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes the app.
pub(super) async fn remove_totp(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    sqlx::query!("DELETE FROM identity.totp_secrets WHERE user_id = $1", user)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps these recovery codes and none besides.
pub(super) async fn replace_codes(
    connection: &mut PgConnection,
    user: Uuid,
    hashes: &[[u8; 32]],
) -> Result<(), IdentityError> {
    remove_codes(connection, user).await?;
    let ids: Vec<Uuid> = hashes.iter().map(|_| new_id()).collect();
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
    sqlx::query!(
        "INSERT INTO identity.recovery_codes (id, user_id, code_hash)
         SELECT new.id, $1, new.hash FROM unnest($2::uuid[], $3::bytea[]) AS new (id, hash)",
        user,
        &ids,
        &hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes all recovery codes.
pub(super) async fn remove_codes(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    sqlx::query!("DELETE FROM identity.recovery_codes WHERE user_id = $1", user)
        .execute(connection)
        .await?;
    Ok(())
}

/// Uses up a recovery code; says whether there was one to use.
pub(super) async fn use_code(
    connection: &mut PgConnection,
    user: Uuid,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let done = sqlx::query!(
        "UPDATE identity.recovery_codes SET used_at = $3
         WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
        user,
        hash.as_slice(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes every second factor of a user.
pub(super) async fn remove_all(
    connection: &mut PgConnection,
    user: Uuid,
) -> Result<(), IdentityError> {
    remove_totp(connection, user).await?;
    remove_codes(connection, user).await?;
    sqlx::query!("DELETE FROM identity.passkeys WHERE user_id = $1", user)
        .execute(connection)
        .await?;
    Ok(())
}
