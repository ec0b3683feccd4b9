//! The first start: a token printed by the server makes the first administrator, once.

pub(crate) mod http;
pub(crate) mod store;

use chrono::TimeDelta;
use lyceum_core::{Secret, new_id};
use lyceum_http::ClientInfo;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::session::{self, Issued};
use crate::token::{random_text, sha256};
use crate::user::{self, NewUser};
use crate::{Identity, IdentityError, rules};

/// How long the token is good for after the start.
const TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// 32 characters of 62 hold 190 bits.
const TOKEN_CHARACTERS: usize = 32;

/// The first account.
pub(crate) struct FirstUser {
    pub(crate) token: Secret,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password: Secret,
    pub(crate) display_name: Option<String>,
}

impl Identity {
    /// While there is no user: a new token to be shown where only the operator sees it. It replaces
    /// every token given out before.
    pub async fn setup_token(&self) -> Result<Option<Secret>, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        store::lock(&mut tx).await?;
        if store::any_user(&mut tx).await? {
            return Ok(None);
        }
        let token = random_text(TOKEN_CHARACTERS)?;
        let expires_at = self.clock().now() + TOKEN_LIFETIME;
        store::replace_token(&mut tx, new_id(), &sha256(token.expose().as_bytes()), expires_at)
            .await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(Some(token))
    }

    /// Whether the first account has still to be made.
    pub(crate) async fn setup_needed(&self) -> Result<bool, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        Ok(!store::any_user(&mut tx).await?)
    }

    /// Makes the first administrator and signs them in. Of several at the same moment one wins.
    pub(crate) async fn complete_setup(
        &self,
        first: FirstUser,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let token = self.judge_setup_token(&mut tx, &first.token).await;
        tx.rollback().await.map_err(IdentityError::from)?;
        token?;
        let username = rules::username(&first.username)?;
        let email = rules::email(&first.email)?;
        let display_name = first.display_name.as_deref().map(rules::display_name).transpose()?;
        rules::password("password", &first.password, &username, &email)?;
        let slot = self.passwords().slot().await?;
        let password_hash = self.passwords().hash(slot, &first.password).await?;

        let mut tx = self.db().begin_maintenance().await?;
        store::lock(&mut tx).await?;
        // Again, now that nobody else can use it.
        let token = self.judge_setup_token(&mut tx, &first.token).await?;
        let now = self.clock().now();
        let id = new_id();
        session::store::act_as(&mut tx, id).await?;
        store::use_token(&mut tx, token, now).await?;
        let new =
            NewUser { id, username, email, display_name: display_name.flatten(), password_hash };
        user::store::insert(&mut tx, &new, now).await?;
        user::store::grant(&mut tx, id, &[user::ADMIN_ROLE], id, now).await?;
        let issued = session::start(self, &mut tx, id, client).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        tracing::info!(user = %id, "the first administrator was made");
        Ok(issued)
    }

    async fn judge_setup_token(
        &self,
        connection: &mut sqlx::PgConnection,
        token: &Secret,
    ) -> Result<Uuid, IdentityError> {
        if store::any_user(connection).await? {
            return Err(IdentityError::SetupDone);
        }
        let given = sha256(token.expose().as_bytes());
        let stored = store::token(connection).await?.ok_or(IdentityError::SetupTokenInvalid)?;
        if !bool::from(stored.token_hash.ct_eq(given.as_slice())) {
            return Err(IdentityError::SetupTokenInvalid);
        }
        if stored.expires_at <= self.clock().now() {
            return Err(IdentityError::SetupTokenExpired);
        }
        Ok(stored.id)
    }
}
