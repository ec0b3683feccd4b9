//! Who people are and what they may do: set-up, signing in by password, passkey or issuer, second
//! factors, sessions, API keys, users and roles.
//!
//! Invariants:
//! - A password, token or key is never stored, only its hash; none is ever shown a second time.
//! - Every credential is judged together with the state of its user, at every request; what was
//!   revoked or suspended stops working within a second on every node.
//! - Nobody gives away rights that they do not have, and an API key never has more than its owner.
//! - At least one active administrator remains.
//! - A second factor that is on is asked for after every first one; guesses at it are counted apart.
//! - An account at an issuer is linked by issuer and subject, never by its address alone.
//! - Whether an account exists cannot be told from the answer to a sign-in, nor from its time.

mod api_key;
mod authenticate;
mod background;
mod challenge;
mod client;
mod credentials;
mod error;
mod key;
mod me;
mod oidc;
mod passkey;
mod password;
mod purge;
mod rules;
mod second_factor;
mod session;
mod setup;
mod sign_in;
mod token;
mod user;

use std::sync::Arc;

use lyceum_core::Clock;
use lyceum_http::Outgoing;
use lyceum_jobs::Jobs;
use lyceum_store::{Db, Keyring};
use url::Url;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use client::client_ip;
pub use error::IdentityError;
pub use key::{SigningKey, SigningKeyError};
pub use oidc::OidcError;
pub use passkey::Refused;
pub use sign_in::AttemptLimits;

use credentials::Credentials;
use oidc::Issuers;
use password::Passwords;
use purge::PurgeExpired;
use token::Tokens;

/// Settings of the identity domain.
#[derive(Clone, Debug, Default)]
pub struct IdentityConfig {
    /// Mark cookies `Secure` always: the platform is reached by https.
    pub secure_cookies: bool,
    /// Believe `X-Forwarded-For` and `X-Forwarded-Proto`: a proxy of ours stands in front.
    pub trust_proxy: bool,
    /// The address that people open. Passkeys are bound to its host, and issuers send people back
    /// to it; without it there are neither.
    pub public_url: Option<Url>,
    /// How many attempts to sign in may fail.
    pub attempts: AttemptLimits,
}

/// The identity service; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: Clock,
    config: IdentityConfig,
    tokens: Tokens,
    passwords: Passwords,
    credentials: Credentials,
    keyring: Keyring,
    outgoing: Outgoing,
    issuers: Issuers,
}

impl Identity {
    /// Makes the service. [`Identity::run`] has to run beside it.
    pub fn new(
        db: Db,
        clock: Clock,
        key: &SigningKey,
        keyring: Keyring,
        outgoing: Outgoing,
        config: IdentityConfig,
    ) -> Self {
        let inner = Inner {
            db,
            clock,
            config,
            tokens: Tokens::new(key),
            passwords: Passwords::new(),
            credentials: Credentials::new(),
            keyring,
            outgoing,
            issuers: Issuers::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn config(&self) -> &IdentityConfig {
        &self.inner.config
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.inner.passwords
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.inner.outgoing
    }

    pub(crate) fn issuers(&self) -> &Issuers {
        &self.inner.issuers
    }
}

lyceum_http::rights! {
    ProfileRead = "profile", "read";
    ProfileWrite = "profile", "write";
    SecondFactorWrite = "profile", "second_factor";
    OidcProviderRead = "oidc_provider", "read";
    OidcProviderWrite = "oidc_provider", "write";
    SessionRead = "session", "read";
    SessionDelete = "session", "delete";
    ApiKeyRead = "api_key", "read";
    ApiKeyWrite = "api_key", "write";
    UserRead = "user", "read";
    UserWrite = "user", "write";
}

/// Registers this domain's jobs and their schedule.
pub fn register_jobs(jobs: Jobs, identity: &Identity) -> Jobs {
    jobs.register::<PurgeExpired>(identity.clone()).schedule("40 3 * * *", PurgeExpired {})
}

/// The routes of this domain, below `/api/v1`.
pub fn router(identity: Identity) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(setup::http::get_setup, setup::http::complete_setup))
        .routes(routes!(sign_in::http::list_sign_in_methods))
        .routes(routes!(sign_in::http::sign_in))
        .routes(routes!(sign_in::http::get_pending_sign_in))
        .routes(routes!(sign_in::http::complete_sign_in))
        .routes(routes!(passkey::http::begin_passkey_sign_in))
        .routes(routes!(passkey::http::sign_in_with_passkey))
        .routes(routes!(oidc::http::start_oidc_sign_in))
        .routes(routes!(oidc::http::finish_oidc_sign_in))
        .routes(routes!(session::http::refresh_session))
        .routes(routes!(session::http::sign_out))
        .routes(routes!(session::http::list_sessions, session::http::revoke_other_sessions))
        .routes(routes!(session::http::revoke_session))
        .routes(routes!(me::http::get_me, me::http::update_me))
        .routes(routes!(me::http::change_password))
        .routes(routes!(me::http::put_preference))
        .routes(routes!(second_factor::http::confirm_identity))
        .routes(routes!(second_factor::http::get_second_factors))
        .routes(routes!(second_factor::http::begin_totp))
        .routes(routes!(second_factor::http::confirm_totp))
        .routes(routes!(second_factor::http::disable_totp))
        .routes(routes!(second_factor::http::renew_recovery_codes))
        .routes(routes!(second_factor::http::reset_second_factors))
        .routes(routes!(passkey::http::list_passkeys, passkey::http::register_passkey))
        .routes(routes!(passkey::http::begin_passkey))
        .routes(routes!(passkey::http::rename_passkey, passkey::http::delete_passkey))
        .routes(routes!(oidc::http::list_oidc_accounts, oidc::http::start_oidc_link))
        .routes(routes!(oidc::http::confirm_oidc_link))
        .routes(routes!(oidc::http::unlink_oidc_account))
        .routes(routes!(
            oidc::provider_http::list_oidc_providers,
            oidc::provider_http::create_oidc_provider
        ))
        .routes(routes!(
            oidc::provider_http::get_oidc_provider,
            oidc::provider_http::update_oidc_provider,
            oidc::provider_http::delete_oidc_provider
        ))
        .routes(routes!(api_key::http::list_api_keys, api_key::http::create_api_key))
        .routes(routes!(api_key::http::revoke_api_key))
        .routes(routes!(user::http::list_users, user::http::create_user))
        .routes(routes!(user::http::get_user, user::http::update_user))
        .with_state(identity)
}
