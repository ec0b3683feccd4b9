//! Passkeys: keys in a person's device or password manager that sign in alone, because the device
//! asks for a PIN, a finger or a face, or that follow a password as the second factor.

mod cose;
pub(crate) mod http;
mod json;
pub(crate) mod store;
mod webauthn;

use lyceum_core::{Secret, new_id};
use lyceum_http::{Caller, ClientInfo};
use sqlx::PgConnection;
use url::Url;
use uuid::Uuid;

use crate::challenge::{self, Purpose, Step};
use crate::second_factor::after_removal;
use crate::session::{self, Issued, Proof};
use crate::sign_in::{SignedIn, proceed};
use crate::{Identity, IdentityError, rules, sign_in};

pub(crate) use json::{AssertionJson, CreationOptions, RegistrationJson, RequestOptions};
pub(crate) use store::PasskeyRow;
pub use webauthn::Refused;

use webauthn::{Expected, Known};

/// Passkeys that one user may have.
const PASSKEYS_MAX: usize = 20;
/// The platform's name, as authenticators show it.
const NAME: &str = "Lyceum";
/// How long a browser asks for the authenticator.
const TIMEOUT_MS: u32 = 300_000;

/// The platform, as browsers and authenticators know it.
pub(crate) struct RelyingParty {
    id: String,
    origin: String,
}

impl RelyingParty {
    /// From the address that people open. Browsers take a host's name, not a bare address, and
    /// https unless it is localhost.
    fn of(url: &Url) -> Option<Self> {
        let host = url.domain()?;
        let secure = url.scheme() == "https" || host == "localhost";
        let origin = url.origin().ascii_serialization();
        secure.then(|| Self { id: host.to_owned(), origin })
    }

    /// For `navigator.credentials.get`; without `allowed` the person chooses among their passkeys.
    pub(crate) fn request_options(
        &self,
        token: &Secret,
        allowed: &[Vec<u8>],
        user_verification: &'static str,
    ) -> RequestOptions {
        RequestOptions {
            challenge: json::encode(token.expose().as_bytes()),
            rp_id: self.id.clone(),
            timeout: TIMEOUT_MS,
            allow_credentials: descriptors(allowed),
            user_verification,
        }
    }

    fn expects<'a>(&'a self, challenge: &'a [u8], user_verified: bool) -> Expected<'a> {
        Expected { challenge, origin: &self.origin, rp_id: &self.id, user_verified }
    }
}

fn descriptors(ids: &[Vec<u8>]) -> Vec<json::PasskeyDescriptor> {
    let descriptor =
        |id: &Vec<u8>| json::PasskeyDescriptor { r#type: "public-key", id: json::encode(id) };
    ids.iter().map(descriptor).collect()
}

impl Identity {
    /// The platform as authenticators know it, if its public address is known.
    pub(crate) fn relying_party(&self) -> Result<RelyingParty, IdentityError> {
        let url = self.config().public_url.as_ref();
        url.and_then(RelyingParty::of).ok_or(IdentityError::NoPublicUrl)
    }

    /// The caller's passkeys.
    pub(crate) async fn passkeys(&self, caller: &Caller) -> Result<Vec<PasskeyRow>, IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::list(&mut tx, caller.user_id, None).await
    }

    /// Begins to register a passkey of the caller.
    pub(crate) async fn begin_passkey(
        &self,
        caller: &Caller,
    ) -> Result<CreationOptions, IdentityError> {
        self.require_recent(caller).await?;
        let party = self.relying_party()?;
        let user = caller.user_id;
        let mut tx = self.db().begin_maintenance().await?;
        let present = store::credential_ids(&mut tx, user).await?;
        if present.len() >= PASSKEYS_MAX {
            let limit = PASSKEYS_MAX as i64;
            return Err(IdentityError::TooMany { what: "passkeys", limit });
        }
        let (username, display_name) =
            store::names(&mut tx, user).await?.ok_or(IdentityError::NotFound("user"))?;
        let step = Step { user: Some(user), ..Step::default() };
        let now = self.clock().now();
        let (token, _) = challenge::begin(&mut tx, Purpose::PasskeyRegistration, step, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        let algorithm = |alg| json::PasskeyParameters { r#type: "public-key", alg };
        Ok(CreationOptions {
            rp: json::RelyingPartyJson { id: party.id, name: NAME },
            user: json::PasskeyUser {
                id: json::encode(user.as_bytes()),
                display_name: display_name.unwrap_or_else(|| username.clone()),
                name: username,
            },
            challenge: json::encode(token.expose().as_bytes()),
            pub_key_cred_params: cose::ALGORITHMS.map(algorithm).into(),
            timeout: TIMEOUT_MS,
            exclude_credentials: descriptors(&present),
            authenticator_selection: json::AuthenticatorSelection {
                resident_key: "required",
                require_resident_key: true,
                user_verification: "required",
            },
            attestation: "none",
        })
    }

    /// Keeps a passkey of the caller, ends all other sessions, which never saw a second factor, and
    /// answers recovery codes where there are none.
    pub(crate) async fn register_passkey(
        &self,
        caller: &Caller,
        name: &str,
        registration: &RegistrationJson,
    ) -> Result<(PasskeyRow, Option<Vec<Secret>>), IdentityError> {
        let session = self.require_recent(caller).await?;
        let name = rules::key_name(name)?;
        let party = self.relying_party()?;
        let (user, now) = (caller.user_id, self.clock().now());
        let refused = IdentityError::PasskeyRefused;
        let client_data = json::decode(&registration.response.client_data_json).map_err(refused)?;
        let object = json::decode(&registration.response.attestation_object).map_err(refused)?;
        let token = claimed_token(&client_data)?;
        let mut tx = self.db().begin_maintenance().await?;
        let begun =
            challenge::take(&mut tx, Purpose::PasskeyRegistration, token.expose(), now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        if begun.user != Some(user) {
            return Err(IdentityError::ChallengeEnded);
        }
        let expected = party.expects(token.expose().as_bytes(), true);
        let new = webauthn::register(&client_data, &object, &expected).map_err(refused)?;

        let mut tx = self.db().begin_as(user).await?;
        let id = new_id();
        store::insert(&mut tx, id, user, &name, &new, now).await?;
        let codes = self.after_enrolment(&mut tx, caller, session, "passkey").await?;
        let kept = store::list(&mut tx, user, Some(id)).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.credentials().forget_all();
        let kept = kept.into_iter().next().ok_or(IdentityError::NotFound("passkey"))?;
        Ok((kept, codes))
    }

    /// Renames a passkey of the caller.
    pub(crate) async fn rename_passkey(
        &self,
        caller: &Caller,
        id: Uuid,
        name: &str,
    ) -> Result<PasskeyRow, IdentityError> {
        let name = rules::key_name(name)?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::rename(&mut tx, caller.user_id, id, &name).await?;
        let renamed = store::list(&mut tx, caller.user_id, Some(id)).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        renamed.into_iter().next().ok_or(IdentityError::NotFound("passkey"))
    }

    /// Deletes a passkey of the caller, unless it is their last way in or the second factor that
    /// they must have.
    pub(crate) async fn delete_passkey(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(), IdentityError> {
        self.require_recent(caller).await?;
        let mut tx = self.db().begin_as(caller.user_id).await?;
        if !store::delete(&mut tx, caller.user_id, id).await? {
            return Err(IdentityError::NotFound("passkey"));
        }
        if store::ways_in(&mut tx, caller.user_id).await? == 0 {
            return Err(IdentityError::LastWayIn);
        }
        after_removal(&mut tx, caller.user_id).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        // What the sessions say of it does not count any more.
        self.credentials().forget_all();
        Ok(())
    }

    /// Begins to sign in by a passkey alone.
    pub(crate) async fn begin_passkey_sign_in(
        &self,
        client: &ClientInfo,
    ) -> Result<RequestOptions, IdentityError> {
        let party = self.relying_party()?;
        self.count_start(client).await?;
        let mut tx = self.db().begin_maintenance().await?;
        let now = self.clock().now();
        let (token, _) =
            challenge::begin(&mut tx, Purpose::PasskeySignIn, Step::default(), now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(party.request_options(&token, &[], "required"))
    }

    /// Signs in by a passkey alone. It counts as both factors: the device is had, and its PIN,
    /// finger or face was shown.
    pub(crate) async fn sign_in_with_passkey(
        &self,
        assertion: &AssertionJson,
        client: &ClientInfo,
    ) -> Result<Issued, IdentityError> {
        let now = self.clock().now();
        let client_data = json::decode(&assertion.response.client_data_json)
            .map_err(IdentityError::InvalidPasskey)?;
        let token = claimed_token(&client_data)?;
        let mut tx = self.db().begin_maintenance().await?;
        challenge::take(&mut tx, Purpose::PasskeySignIn, token.expose(), now).await?;
        tx.commit().await.map_err(IdentityError::from)?;

        let mut tx = self.db().begin_maintenance().await?;
        let user = match self.use_passkey(&mut tx, assertion, &token, None).await {
            Ok(user) => user,
            Err(refused) => {
                tx.rollback().await.map_err(IdentityError::from)?;
                if let IdentityError::InvalidPasskey(reason) = refused {
                    self.record_failure(None, client, reason.name()).await?;
                }
                return Err(refused);
            }
        };
        if !sign_in::is_active(&mut tx, user).await? {
            return Err(IdentityError::AccountNotActive);
        }
        session::store::act_as(&mut tx, user).await?;
        let proof = Proof { method: "passkey", second_factor: Some("passkey"), provider: None };
        self.forget_start(&mut tx, client).await?;
        let issued = match proceed(self, &mut tx, user, client, proof).await? {
            SignedIn::Session(issued) => issued,
            SignedIn::SecondFactor(_) => {
                return Err(IdentityError::Internal("a passkey asked for a second factor"));
            }
        };
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(issued)
    }

    /// Checks and notes a use of a passkey: of `user`'s after a password, or of whoever's it is,
    /// who must then have been verified by the device. Answers whose it is.
    pub(crate) async fn use_passkey(
        &self,
        connection: &mut PgConnection,
        assertion: &AssertionJson,
        token: &Secret,
        user: Option<Uuid>,
    ) -> Result<Uuid, IdentityError> {
        let refused = IdentityError::InvalidPasskey;
        let party = self.relying_party()?;
        let response = &assertion.response;
        let decode = |text: &str| json::decode(text).map_err(refused);
        let credential = decode(&assertion.id)?;
        let row = store::by_credential(connection, &credential).await?;
        let row = row.ok_or(refused(Refused::Unknown))?;
        let handle = response.user_handle.as_deref().map(decode).transpose()?;
        // Without a person named before, the authenticator has to name them.
        let named = match (user, handle) {
            (Some(user), None) => user == row.user_id,
            (user, Some(handle)) => {
                handle == row.user_id.as_bytes() && user.is_none_or(|user| user == row.user_id)
            }
            (None, None) => false,
        };
        if !named {
            return Err(refused(Refused::Unknown));
        }
        let known = Known {
            public_key: &row.public_key,
            sign_count: u32::try_from(row.sign_count).unwrap_or(u32::MAX),
            backup_eligible: row.backup_eligible,
        };
        let expected = party.expects(token.expose().as_bytes(), user.is_none());
        let asserted = webauthn::assert(
            &decode(&response.client_data_json)?,
            &decode(&response.authenticator_data)?,
            &decode(&response.signature)?,
            &known,
            &expected,
        );
        let asserted = asserted.map_err(|reason| {
            tracing::warn!(passkey = %row.id, reason = reason.name(), "a passkey was refused");
            refused(reason)
        })?;
        store::note_use(connection, row.id, &asserted, self.clock().now()).await?;
        Ok(row.user_id)
    }
}

/// The token of the step that an authenticator's answer is for.
fn claimed_token(client_data: &[u8]) -> Result<Secret, IdentityError> {
    let challenge = webauthn::claimed_challenge(client_data);
    let text = challenge.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Secret::new).ok_or(IdentityError::ChallengeEnded)
}
