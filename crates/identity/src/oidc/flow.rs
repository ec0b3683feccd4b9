//! The authorization code flow with PKCE, from the button to the session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use lyceum_core::Secret;
use lyceum_http::{Caller, ClientInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use uuid::Uuid;

use super::OidcError;
use super::account::{Found, Person};
use super::discovery::Issuer;
use super::id_token::{self, Expected, Fault};
use super::link::ToLink;
use super::provider::SEALED_IN;
use super::store::{self, ProviderRow};
use crate::challenge::{self, Begun, Purpose, Step};
use crate::session::{Issued, Proof};
use crate::sign_in::{SignedIn, is_active, proceed};
use crate::token::{random_text, sha256};
use crate::{Identity, IdentityError};

/// Where issuers send people back to.
const CALLBACK: &str = "/api/v1/auth/oidc/callback";
/// 43 characters of 62 hold 256 bits; PKCE asks for 43 to 128.
const RANDOM_CHARACTERS: usize = 43;
const RETURN_TO_MAX: usize = 500;

/// A flow that has begun.
pub(crate) struct Started {
    /// The address at the issuer.
    pub(crate) redirect_to: String,
    /// For the browser to keep: whoever answers must be the one who began.
    pub(crate) binding: Secret,
}

/// What an issuer sends back with the person.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Answer {
    /// As the flow's address had it.
    state: Option<String>,
    /// To be exchanged for the tokens.
    code: Option<String>,
    /// The issuer, where it names itself.
    iss: Option<String>,
    /// Why it refused.
    error: Option<String>,
}

/// Where a flow has led.
pub(crate) enum Arrived {
    /// Signed in, to this page.
    SignedIn(Box<Issued>, String),
    /// A second factor is to be shown.
    SecondFactor(Secret),
    /// An account has the same address; its person may link it after signing in.
    MayLink(Secret),
    /// Linked with the account that began.
    Linked(String),
}

/// What the platform remembers of a flow.
#[derive(Serialize, Deserialize)]
struct Remembered {
    nonce: String,
    verifier: String,
    /// SHA-256 of the browser's secret.
    binding: String,
    return_to: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<Secret>,
}

impl Identity {
    fn address(&self, path: &str) -> Result<String, IdentityError> {
        let url = self.config().public_url.as_ref().ok_or(IdentityError::NoPublicUrl)?;
        Ok(format!("{}{path}", url.as_str().trim_end_matches('/')))
    }

    /// What issuers have to be told to send people back to.
    pub(super) fn oidc_redirect_uri(&self) -> Result<String, IdentityError> {
        self.address(CALLBACK)
    }

    pub(super) async fn active_provider(&self, id: Uuid) -> Result<ProviderRow, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let row = store::find(&mut tx, id).await?;
        row.is_active.then_some(row).ok_or(IdentityError::NotFound("sign-in provider"))
    }

    /// Begins a flow: to sign in, or to link an account with the caller's.
    pub(crate) async fn start_oidc(
        &self,
        provider: Uuid,
        return_to: Option<&str>,
        link_to: Option<&Caller>,
    ) -> Result<Started, IdentityError> {
        if let Some(caller) = link_to {
            self.require_recent(caller).await?;
        }
        let redirect_uri = self.oidc_redirect_uri()?;
        let provider = self.active_provider(provider).await?;
        let issuer = self.issuer(&provider.issuer).await?;
        let binding = random_text(RANDOM_CHARACTERS)?;
        let nonce = random_text(RANDOM_CHARACTERS)?;
        let verifier = random_text(RANDOM_CHARACTERS)?;
        let remembered = Remembered {
            nonce: nonce.expose().to_owned(),
            verifier: verifier.expose().to_owned(),
            binding: hex::encode(sha256(binding.expose().as_bytes())),
            return_to: own_page(return_to),
        };
        let user = link_to.map(|caller| caller.user_id);
        let step = Step { user, provider: Some(provider.id), data: to_json(&remembered)? };
        let mut tx = self.db().begin_maintenance().await?;
        let (state, _) = challenge::begin(&mut tx, Purpose::Oidc, step, self.clock().now()).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        let mut url = issuer.metadata.authorization_endpoint.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &provider.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &provider.scopes)
            .append_pair("state", state.expose())
            .append_pair("nonce", nonce.expose())
            .append_pair("code_challenge", &pkce(verifier.expose()))
            .append_pair("code_challenge_method", "S256");
        Ok(Started { redirect_to: url.into(), binding })
    }

    /// Ends a flow with the issuer's answer.
    pub(crate) async fn finish_oidc(
        &self,
        answer: &Answer,
        binding: Option<&str>,
        client: &ClientInfo,
    ) -> Result<Arrived, IdentityError> {
        let begun = self.take_flow(answer.state.as_deref().unwrap_or_default()).await?;
        let remembered: Remembered = from_json(begun.data)?;
        let given = hex::encode(sha256(binding.unwrap_or_default().as_bytes()));
        if !bool::from(given.as_bytes().ct_eq(remembered.binding.as_bytes())) {
            return Err(OidcError::StateInvalid.into());
        }
        let provider = self.active_provider(begun.provider.unwrap_or_default()).await?;
        if answer.iss.as_ref().is_some_and(|iss| *iss != provider.issuer) {
            return Err(OidcError::BadAnswer("another issuer answered").into());
        }
        let code = match (&answer.error, &answer.code) {
            (None, Some(code)) => code,
            _ => return Err(OidcError::Denied.into()),
        };
        let issuer = self.issuer(&provider.issuer).await?;
        let tokens = self.exchange(&provider, &issuer, code, &remembered.verifier).await?;
        let mut claims = self.verified(&provider, &issuer, &tokens, &remembered.nonce).await?;
        self.ask_userinfo(&provider, &issuer, &tokens, &mut claims).await?;
        let person = Person { provider: &provider, claims: &claims };
        match begun.user {
            Some(user) => {
                let mut tx = self.db().begin_maintenance().await?;
                if !is_active(&mut tx, user).await? {
                    return Err(IdentityError::AccountNotActive);
                }
                drop(tx);
                self.link(user, &person.subject()).await?;
                Ok(Arrived::Linked(remembered.return_to))
            }
            None => self.arrive(&person, remembered.return_to, client).await,
        }
    }

    async fn take_flow(&self, state: &str) -> Result<Begun, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let begun = challenge::take(&mut tx, Purpose::Oidc, state, self.clock().now()).await;
        let begun = begun.map_err(|error| match error {
            IdentityError::ChallengeEnded => OidcError::StateInvalid.into(),
            other => other,
        })?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(begun)
    }

    /// Signs the person in, or says what has to come before.
    async fn arrive(
        &self,
        person: &Person<'_>,
        return_to: String,
        client: &ClientInfo,
    ) -> Result<Arrived, IdentityError> {
        let mut tx = self.db().begin_maintenance().await?;
        let user = match self.find_or_make(&mut tx, person).await? {
            Found::Account(user) => user,
            Found::SameAddress(user) => {
                let subject = person.subject();
                let to_link = ToLink {
                    subject: subject.subject.to_owned(),
                    email: subject.email.map(str::to_owned),
                };
                let provider = Some(person.provider.id);
                let step = Step { user: Some(user), provider, data: to_json(&to_link)? };
                let now = self.clock().now();
                let (token, _) = challenge::begin(&mut tx, Purpose::OidcLink, step, now).await?;
                tx.commit().await.map_err(IdentityError::from)?;
                return Ok(Arrived::MayLink(token));
            }
        };
        if !is_active(&mut tx, user).await? {
            return Err(IdentityError::AccountNotActive);
        }
        tx.commit().await.map_err(IdentityError::from)?;
        self.apply_maps(user, person).await?;

        let second_factor = person.provider.trust_second_factor.then_some("issuer");
        let proof = Proof { method: "oidc", second_factor, provider: Some(person.provider.id) };
        let mut tx = self.db().begin_maintenance().await?;
        self.forget_start(&mut tx, client).await?;
        let signed_in = proceed(self, &mut tx, user, client, proof).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(match signed_in {
            SignedIn::Session(issued) => Arrived::SignedIn(Box::new(issued), return_to),
            SignedIn::SecondFactor(pending) => Arrived::SecondFactor(pending.token),
        })
    }

    /// Exchanges the code for the tokens.
    async fn exchange(
        &self,
        provider: &ProviderRow,
        issuer: &Issuer,
        code: &str,
        verifier: &str,
    ) -> Result<Tokens, IdentityError> {
        let redirect_uri = self.oidc_redirect_uri()?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("client_id", &provider.client_id),
            ("code_verifier", verifier),
        ];
        let sealed = provider.sealed();
        let secret = sealed.map(|sealed| self.keyring().open(SEALED_IN, provider.id, &sealed));
        let secret = secret.transpose()?;
        let url = issuer.metadata.token_endpoint.clone();
        let mut request = self.outgoing().request(Method::POST, url)?;
        match &secret {
            Some(secret) if issuer.metadata.secret_in_body() => {
                form.push(("client_secret", secret.expose()));
            }
            Some(secret) => {
                // RFC 6749, section 2.3.1: each is form-encoded before they are joined.
                let escape = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let id = escape(&provider.client_id);
                request = request.basic_auth(id, Some(escape(secret.expose())));
            }
            None => {}
        }
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = "application/x-www-form-urlencoded";
        self.ask(request.header(http::header::CONTENT_TYPE, kind).body(body)).await
    }

    /// The claims of the ID token, with the issuer's keys asked for anew where none fits.
    async fn verified(
        &self,
        provider: &ProviderRow,
        issuer: &Issuer,
        tokens: &Tokens,
        nonce: &str,
    ) -> Result<Map<String, Value>, IdentityError> {
        let expected = Expected {
            issuer: &provider.issuer,
            client_id: &provider.client_id,
            nonce,
            now: self.clock().now(),
        };
        let mut verified = id_token::verify(&tokens.id_token, &issuer.keys, &expected);
        if verified == Err(Fault::UnknownKey) {
            let newer = self.issuer_again(&provider.issuer).await?;
            verified = id_token::verify(&tokens.id_token, &newer.keys, &expected);
        }
        verified.map_err(|fault| {
            let reason = match fault {
                Fault::UnknownKey => "unknown key",
                Fault::Refused(reason) => reason,
            };
            tracing::warn!(provider = %provider.id, reason, "an ID token was refused");
            OidcError::BadToken(reason).into()
        })
    }

    /// Adds what the token leaves out and the issuer tells on asking. What the token says stands.
    async fn ask_userinfo(
        &self,
        provider: &ProviderRow,
        issuer: &Issuer,
        tokens: &Tokens,
        claims: &mut Map<String, Value>,
    ) -> Result<(), IdentityError> {
        let complete = claims.contains_key("email") && claims.contains_key(&provider.groups_claim);
        let (Some(url), Some(token)) = (&issuer.metadata.userinfo_endpoint, &tokens.access_token)
        else {
            return Ok(());
        };
        if complete {
            return Ok(());
        }
        let request = self.outgoing().request(Method::GET, url.clone())?;
        let more: Map<String, Value> = self.ask(request.bearer_auth(token.expose())).await?;
        if more.get("sub") != claims.get("sub") {
            return Err(OidcError::BadAnswer("it tells of somebody else").into());
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Where to sign out at an issuer, if it has such a page. The person is signed out here in any
    /// case, so an issuer that does not answer is only noted.
    pub(crate) async fn oidc_sign_out(&self, provider: Uuid) -> Option<String> {
        let address = async {
            let provider = self.active_provider(provider).await?;
            let issuer = self.issuer(&provider.issuer).await?;
            let page = issuer.metadata.end_session_endpoint.clone();
            // The browser goes there, so it must not be a script.
            let page = page.filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(mut url) = page else { return Ok(None) };
            url.query_pairs_mut()
                .append_pair("client_id", &provider.client_id)
                .append_pair("post_logout_redirect_uri", &self.address("/sign-in")?);
            Ok::<_, IdentityError>(Some(Url::into(url)))
        };
        match address.await {
            Ok(address) => address,
            Err(error) => {
                tracing::warn!(%error, "signing out at the issuer is not possible");
                None
            }
        }
    }
}

/// The S256 challenge of a verifier (RFC 7636).
fn pkce(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// A page of ours to go back to; never another's.
fn own_page(wanted: Option<&str>) -> String {
    let own = |page: &&str| {
        page.len() <= RETURN_TO_MAX
            && page.starts_with('/')
            && !page.starts_with("//")
            && page.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    wanted.filter(own).unwrap_or("/").to_owned()
}

pub(super) fn to_json(value: &impl Serialize) -> Result<Value, IdentityError> {
    serde_json::to_value(value).map_err(|_| IdentityError::Internal("a step cannot be written"))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, IdentityError> {
    serde_json::from_value(value).map_err(|_| IdentityError::Internal("a step cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pkce_agrees_with_rfc_7636() {
        // Appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(pkce(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn one_goes_back_to_our_own_pages_only() {
        for good in ["/", "/chat/1?x=y#z", "/settings/security"] {
            assert_eq!(own_page(Some(good)), good);
        }
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "x"]
        {
            assert_eq!(own_page(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(own_page(None), "/");
    }
}
