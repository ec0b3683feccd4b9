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
//! - A link works once and for a time; what it opens is judged again when it is followed.

mod access;
mod api_key;
mod authenticate;
mod avatar;
mod background;
mod challenge;
mod client;
mod credentials;
mod departure;
mod error;
mod export;
mod group;
mod invitation;
mod key;
mod link;
mod mail;
mod me;
mod oidc;
mod passkey;
mod password;
mod people;
mod purge;
mod recovery;
mod registration;
mod role;
mod rule;
mod rules;
mod scim;
mod scim_token;
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
use lyceum_store::{Db, Keyring, Objects};
use tokio::sync::{Semaphore, watch};
use url::Url;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::{
    ACCESS_LEVELS, AccessExplanation, Block, Finding, Reason, Step, Subject, Way,
    explain as explain_access,
};
pub use client::client_info;
pub use error::IdentityError;
pub use key::{SigningKey, SigningKeyError};
pub use mail::{MailSecurity, MailSettings, MailSettingsError, Mailer};
pub use oidc::OidcError;
pub use passkey::Refused;
pub use people::PeopleError;
pub use rule::Rule;
pub use scim::scim_router;
pub use sign_in::AttemptLimits;

use credentials::Credentials;
use export::ExportData;
use link::LinkTokens;
use mail::SendLetter;
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
    /// The address that people open. Links that are handed out begin with it, passkeys are bound to
    /// its host, and issuers send people back to it; without it there are neither.
    pub public_url: Option<Url>,
    /// How many attempts to sign in may fail.
    pub attempts: AttemptLimits,
    /// The rights that the other domains declare; roles may name these and this domain's own.
    pub further_rights: Vec<(&'static str, &'static str)>,
    /// Sends e-mail; without it administrators hand links over.
    pub mailer: Option<Mailer>,
}

/// The identity service; cheap to clone.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    /// Counts what changed about who may do what.
    changes: watch::Sender<u64>,
    db: Db,
    clock: Clock,
    config: IdentityConfig,
    tokens: Tokens,
    passwords: Passwords,
    credentials: Credentials,
    objects: Objects,
    links: LinkTokens,
    pictures: Semaphore,
    keyring: Keyring,
    outgoing: Outgoing,
    issuers: Issuers,
}

impl Identity {
    /// Makes the service. [`Identity::run`] has to run beside it.
    pub fn new(
        db: Db,
        objects: Objects,
        clock: Clock,
        key: &SigningKey,
        keyring: Keyring,
        outgoing: Outgoing,
        config: IdentityConfig,
    ) -> Self {
        let inner = Inner {
            changes: watch::Sender::new(0),
            db,
            clock,
            config,
            tokens: Tokens::new(key),
            passwords: Passwords::new(),
            credentials: Credentials::new(),
            objects,
            links: LinkTokens::new(key),
            pictures: Semaphore::new(avatar::AT_ONCE),
            keyring,
            outgoing,
            issuers: Issuers::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Changes whenever a node changed what people may do or reach: drop then what you remember of
    /// it. Works while [`Identity::run`] does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn note_change(&self) {
        self.inner.changes.send_modify(|count| *count = count.wrapping_add(1));
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

    /// What links begin with; empty where the address is not known.
    pub(crate) fn public_base(&self) -> &str {
        let url = self.config().public_url.as_ref();
        url.map_or("", |url| url.as_str().trim_end_matches('/'))
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    pub(crate) fn links(&self) -> &LinkTokens {
        &self.inner.links
    }

    pub(crate) fn pictures(&self) -> &Semaphore {
        &self.inner.pictures
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
    /// Takes all one's data away as a file: more than `profile:read`, which also they have who still
    /// have to set up a second factor.
    ProfileExport = "profile", "export";
    SecondFactorWrite = "profile", "second_factor";
    OidcProviderRead = "oidc_provider", "read";
    OidcProviderWrite = "oidc_provider", "write";
    SessionRead = "session", "read";
    SessionDelete = "session", "delete";
    ApiKeyRead = "api_key", "read";
    ApiKeyWrite = "api_key", "write";
    UserRead = "user", "read";
    UserWrite = "user", "write";
    /// Lists roles, the rights that there are, and who has which role.
    RoleRead = "role", "read";
    /// Makes, changes and deletes roles.
    RoleManage = "role", "manage";
    /// Gives roles to people and takes them back.
    RoleAssign = "role", "assign";
    /// Lists all groups and their members.
    GroupRead = "group", "read";
    /// Makes, changes and deletes groups and their memberships.
    GroupManage = "group", "manage";
    /// Asks why somebody may or may not do something.
    AccessExplain = "access", "explain";
    UserInvite = "user", "invite";
    UserDelete = "user", "delete";
    /// Lists and revokes the tokens of directories; making one takes all rights.
    ScimTokenManage = "scim_token", "manage";
}

/// Registers this domain's jobs and their schedule.
pub fn register_jobs(jobs: Jobs, identity: &Identity) -> Jobs {
    jobs.register::<PurgeExpired>(identity.clone())
        .schedule("40 3 * * *", PurgeExpired {})
        .register::<SendLetter>(identity.clone())
        .register::<ExportData>(identity.clone())
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
        .routes(routes!(api_key::http::revoke_api_key, api_key::http::update_api_key))
        .routes(routes!(api_key::http::rotate_api_key))
        .routes(routes!(role::http::list_rights))
        .routes(routes!(role::http::list_roles, role::http::create_role))
        .routes(routes!(role::http::update_role, role::http::delete_role))
        .routes(routes!(role::http::list_user_roles))
        .routes(routes!(role::http::assign_role, role::http::withdraw_role))
        .routes(routes!(group::http::list_my_groups))
        .routes(routes!(group::http::list_groups, group::http::create_group))
        .routes(routes!(
            group::http::get_group,
            group::http::update_group,
            group::http::delete_group
        ))
        .routes(routes!(group::http::list_group_members))
        .routes(routes!(group::http::add_group_member, group::http::remove_group_member))
        .routes(routes!(group::http::list_user_groups))
        .routes(routes!(scim_token::http::list_scim_tokens, scim_token::http::create_scim_token))
        .routes(routes!(scim_token::http::update_scim_token, scim_token::http::revoke_scim_token))
        .routes(routes!(scim_token::http::rotate_scim_token))
        .routes(routes!(access::http::explain_access))
        .routes(routes!(user::http::list_users, user::http::create_user))
        .routes(routes!(
            user::http::get_user,
            user::http::update_user,
            departure::http::delete_user
        ))
        .routes(routes!(departure::http::restore_user))
        .routes(routes!(departure::http::delete_me))
        .routes(routes!(recovery::http::create_password_reset))
        .routes(routes!(recovery::http::create_email_verification))
        .routes(routes!(recovery::http::request_password_reset))
        .routes(routes!(recovery::http::reset_password))
        .routes(routes!(recovery::http::verify_email))
        .routes(routes!(recovery::http::request_email_verification))
        .routes(routes!(invitation::http::list_invitations, invitation::http::create_invitation))
        .routes(routes!(invitation::http::revoke_invitation))
        .routes(routes!(invitation::http::read_invitation))
        .routes(routes!(invitation::http::accept_invitation))
        .routes(routes!(registration::http::get_registration))
        .routes(routes!(registration::http::register))
        .routes(routes!(registration::http::confirm_registration))
        .routes(routes!(avatar::http::put_avatar, avatar::http::delete_avatar))
        .routes(routes!(avatar::http::get_avatar))
        .routes(routes!(export::http::list_data_exports, export::http::create_data_export))
        .routes(routes!(export::http::get_data_export))
        .routes(routes!(export::http::download_data_export))
        .with_state(identity)
}
