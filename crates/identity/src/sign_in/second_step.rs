//! The second step of signing in: after a password or an issuer's word, a code or a passkey.

use chrono::{DateTime, Utc};
use lyceum_core::Secret;
use lyceum_http::ClientInfo;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Subjects, attempts, store};
use crate::challenge::{self, Begun, Purpose, Step};
use crate::passkey::{self, AssertionJson};
use crate::second_factor::store::factors;
use crate::session::{self, Issued, Proof};
use crate::{Identity, IdentityError};

/// What the first step led to.
pub(crate) enum SignedIn {
    /// A session.
    Session(Issued),
    /// A second factor is on and has to be shown.
    SecondFactor(Pending),
}

/// A sign-in that waits for its second factor.
pub(crate) struct Pending {
    /// Good for the second step and nothing else.
    pub(crate) token: Secret,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) totp: bool,
    pub(crate) recovery_code: bool,
    /// The ids of the person's passkeys.
    pub(crate) passkeys: Vec<Vec<u8>>,
}

/// What is shown at the second step.
pub(crate) enum Shown {
    Code(Secret),
    Passkey(Box<AssertionJson>),
}

/// After the first step: begins the session or, where a second factor is on, the second step.
pub(crate) async fn proceed(
    identity: &Identity,
    connection: &mut PgConnection,
    user: Uuid,
    client: &ClientInfo,
    proof: Proof,
) -> Result<SignedIn, IdentityError> {
    let now = identity.clock().now();
    if proof.second_factor.is_none() && factors(connection, user).await?.on() {
        let step = Step { user: Some(user), provider: proof.provider, ..Step::default() };
        let (token, expires_at) =
            challenge::begin(connection, Purpose::SecondFactor, step, now).await?;
        return Ok(SignedIn::SecondFactor(pending(connection, user, token, expires_at).await?));
    }
    let issued = session::start_with(identity, connection, user, client, proof).await?;
    Ok(SignedIn::Session(issued))
}

async fn pending(
    connection: &mut PgConnection,
    user: Uuid,
    token: Secret,
    expires_at: DateTime<Utc>,
) -> Result<Pending, IdentityError> {
    let factors = factors(connection, user).await?;
    let passkeys = passkey::store::credential_ids(connection, user).await?;
    let recovery_code = factors.recovery_codes > 0;
    Ok(Pending { token, expires_at, totp: factors.totp, recovery_code, passkeys })
}

impl Identity {
    /// Describes a sign-in that waits for its second factor.
    pub(crate) async fn pending_sign_in(&self, token: &Secret) -> Result<Pending, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let begun = self.second_step(&mut tx, token).await?;
        let user = user_of(&begun)?;
        pending(&mut tx, user, token.clone(), begun.expires_at).await
    }

    /// Completes a sign-in with its second factor.
    pub(crate) async fn complete_sign_in(
        &self,
        token: &Secret,
        shown: &Shown,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let begun = self.second_step(&mut tx, token).await?;
        tx.rollback().await.map_err(IdentityError::from)?;
        let user = user_of(&begun)?;
        // Counted before it is looked at, as a password is.
        self.count_code(user, client).await?;

        let mut tx = self.db().begin_maintenance().await?;
        // Again, now that nobody else can use it.
        let begun = self.second_step(&mut tx, token).await?;
        if !store::is_active(&mut tx, user).await? {
            return Err(IdentityError::AccountNotActive);
        }
        session::store::act_as(&mut tx, user).await?;
        let factor = match shown {
            Shown::Code(code) => self.use_code(&mut tx, user, code).await?,
            Shown::Passkey(assertion) => {
                match self.use_passkey(&mut tx, assertion, token, Some(user)).await {
                    Ok(_) => Some("passkey"),
                    Err(IdentityError::InvalidPasskey(_)) => None,
                    Err(other) => return Err(other),
                }
            }
        };
        let Some(factor) = factor else {
            match shown {
                Shown::Code(_) => challenge::fail(&mut tx, begun.id).await?,
                // What an authenticator signs is signed once.
                Shown::Passkey(_) => challenge::end(&mut tx, begun.id).await?,
            }
            tx.commit().await.map_err(IdentityError::from)?;
            self.record_failure(Some(user), client, "second_factor").await?;
            return Err(IdentityError::InvalidSecondFactor);
        };
        challenge::end(&mut tx, begun.id).await?;
        self.forget_code(&mut tx, user, client).await?;
        let method = if begun.provider.is_some() { "oidc" } else { "password" };
        let proof = Proof { method, second_factor: Some(factor), provider: begun.provider };
        let issued = session::start_with(self, &mut tx, user, client, proof).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(issued)
    }

    async fn second_step(
        &self,
        connection: &mut PgConnection,
        token: &Secret,
    ) -> Result<Begun, IdentityError> {
        let now = self.clock().now();
        challenge::find(connection, Purpose::SecondFactor, token.expose(), now).await
    }

    /// Counts a guess at the second factor of an account as failed, or refuses it.
    pub(crate) async fn count_code(
        &self,
        user: Uuid,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        let subjects = Subjects::of_code(user, client.ip);
        let limits = self.config().attempts.for_codes();
        let mut tx = self.db().begin_maintenance().await?;
        attempts::count(&mut tx, &subjects, limits, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)
    }

    /// The guess was right after all.
    pub(crate) async fn forget_code(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        client: &ClientInfo,
    ) -> Result<(), IdentityError> {
        attempts::forget(connection, &Subjects::of_code(user, client.ip)).await
    }
}

fn user_of(begun: &Begun) -> Result<Uuid, IdentityError> {
    begun.user.ok_or(IdentityError::ChallengeEnded)
}
