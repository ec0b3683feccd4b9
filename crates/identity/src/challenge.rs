//! Steps of signing in that have begun and not ended. Each has a token of 256 random bits, kept as
//! its hash, that is good for one purpose, for some minutes, once.

use chrono::{DateTime, TimeDelta, Utc};
use lyceum_core::{Secret, new_id};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;
use crate::token::{random_text, sha256};

/// 43 characters of 62 hold 256 bits.
const TOKEN_CHARACTERS: usize = 43;
/// Wrong answers after which a step ends.
const FAILURES_MAX: i32 = 5;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    SecondFactor,
    PasskeyRegistration,
    PasskeySignIn,
    Oidc,
    OidcLink,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::SecondFactor => "second_factor",
            Purpose::PasskeyRegistration => "passkey_registration",
            Purpose::PasskeySignIn => "passkey_sign_in",
            Purpose::Oidc => "oidc",
            Purpose::OidcLink => "oidc_link",
        }
    }

    fn lifetime(self) -> TimeDelta {
        match self {
            Purpose::Oidc | Purpose::OidcLink => TimeDelta::minutes(15),
            _ => TimeDelta::minutes(5),
        }
    }
}

/// A step to begin: for whom, through which issuer, and what the platform has to remember.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) user: Option<Uuid>,
    pub(crate) provider: Option<Uuid>,
    pub(crate) data: Value,
}

/// A step that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: Uuid,
    pub(crate) user: Option<Uuid>,
    pub(crate) provider: Option<Uuid>,
    pub(crate) data: Value,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Begins a step; answers its token and when it expires.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    purpose: Purpose,
    step: Step,
    now: DateTime<Utc>,
) -> Result<(Secret, DateTime<Utc>), IdentityError> {
    let token = random_text(TOKEN_CHARACTERS)?;
    let hash = sha256(token.expose().as_bytes());
    let expires_at = now + purpose.lifetime();
    // Anybody may begin a step, so each one clears away what nobody ended.
    sqlx::query!("DELETE FROM identity.challenges WHERE expires_at < $1", now)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "INSERT INTO identity.challenges
           (id, token_hash, purpose, user_id, provider_id, data, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new_id(),
        hash.as_slice(),
        purpose.name(),
        step.user,
        step.provider,
        step.data,
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok((token, expires_at))
}

/// The step of a token, locked until the transaction ends.
pub(crate) async fn find(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Begun, IdentityError> {
    let hash = sha256(token.as_bytes());
    let found = sqlx::query_as!(
        Begun,
        r#"SELECT id, user_id AS user, provider_id AS provider, data, expires_at
           FROM identity.challenges
           WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 FOR UPDATE"#,
        hash.as_slice(),
        purpose.name(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    found.ok_or(IdentityError::ChallengeEnded)
}

/// The step of a token, which is good no more.
pub(crate) async fn take(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Begun, IdentityError> {
    let found = find(&mut *connection, purpose, token, now).await?;
    end(connection, found.id).await?;
    Ok(found)
}

/// Ends a step.
pub(crate) async fn end(connection: &mut PgConnection, id: Uuid) -> Result<(), IdentityError> {
    sqlx::query!("DELETE FROM identity.challenges WHERE id = $1", id).execute(connection).await?;
    Ok(())
}

/// Counts a wrong answer; the last one that is allowed ends the step.
pub(crate) async fn fail(connection: &mut PgConnection, id: Uuid) -> Result<(), IdentityError> {
    let failures = sqlx::query_scalar!(
        "UPDATE identity.challenges SET failures = failures + 1 WHERE id = $1 RETURNING failures",
        id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match failures {
        Some(failures) if failures >= FAILURES_MAX => end(connection, id).await,
        _ => Ok(()),
    }
}
