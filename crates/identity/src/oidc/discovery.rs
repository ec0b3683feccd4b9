//! What an issuer publishes of itself: its addresses (OpenID Connect Discovery) and its keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::OidcError;
use crate::{Identity, IdentityError};

/// How long what an issuer published is believed.
const BELIEVED: TimeDelta = TimeDelta::hours(1);
/// How soon an unknown key, or an issuer that gave no answer, may make us ask again: nobody makes us
/// flood an issuer, or wait for one that is down at each try.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(10);
const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_MAX: usize = 1024 * 1024;

/// The addresses of an issuer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    jwks_uri: Url,
    pub(super) userinfo_endpoint: Option<Url>,
    pub(super) end_session_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

impl Metadata {
    /// Whether the client's secret goes into the body, since the issuer does not take the header.
    pub(super) fn secret_in_body(&self) -> bool {
        let takes = |method| self.token_endpoint_auth_methods_supported.iter().any(|m| m == method);
        takes("client_secret_post") && !takes("client_secret_basic")
    }
}

/// What an issuer published.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) metadata: Metadata,
    pub(super) keys: Vec<Jwk>,
    fetched_at: DateTime<Utc>,
}

/// The issuers asked lately, by their names.
#[derive(Default)]
pub(crate) struct Issuers(Mutex<HashMap<String, Asked>>);

/// What came of asking an issuer.
#[derive(Clone, Default)]
struct Asked {
    /// What it published when it last did.
    issuer: Option<Arc<Issuer>>,
    /// When it last gave no answer to go by, unless it has since.
    failed_at: Option<DateTime<Utc>>,
}

impl Issuers {
    fn get(&self, name: &str) -> Asked {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned().unwrap_or_default()
    }

    fn put(&self, name: &str, issuer: &Arc<Issuer>) {
        let asked = Asked { issuer: Some(issuer.clone()), failed_at: None };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), asked);
    }

    fn note_failure(&self, name: &str, at: DateTime<Utc>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.to_owned()).or_default().failed_at = Some(at);
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Identity {
    /// What the issuer published, from memory or by asking.
    pub(super) async fn issuer(&self, name: &str) -> Result<Arc<Issuer>, IdentityError> {
        self.issuer_not_older_than(name, BELIEVED).await
    }

    /// The same, asked anew for a key that is not known, though not at once again.
    pub(super) async fn issuer_again(&self, name: &str) -> Result<Arc<Issuer>, IdentityError> {
        self.issuer_not_older_than(name, ASK_AGAIN).await
    }

    async fn issuer_not_older_than(
        &self,
        name: &str,
        age: TimeDelta,
    ) -> Result<Arc<Issuer>, IdentityError> {
        let now = self.clock().now();
        let asked = self.issuers().get(name);
        if let Some(known) = asked.issuer.filter(|known| now - known.fetched_at < age) {
            return Ok(known);
        }
        if asked.failed_at.is_some_and(|at| now - at < ASK_AGAIN) {
            return Err(OidcError::Unreachable("it did not answer a moment ago".into()).into());
        }
        let published = self.ask_issuer(name, now).await;
        match &published {
            Ok(issuer) => self.issuers().put(name, issuer),
            Err(_) => self.issuers().note_failure(name, self.clock().now()),
        }
        published
    }

    /// Asks an issuer what it publishes.
    async fn ask_issuer(
        &self,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<Issuer>, IdentityError> {
        let address = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let address = Url::parse(&address)
            .map_err(|_| OidcError::BadAnswer("the issuer's name is no address"))?;
        let metadata: Metadata = self.ask(self.outgoing().request(Method::GET, address)?).await?;
        if metadata.issuer != name {
            return Err(OidcError::BadAnswer("it names another issuer").into());
        }
        self.outgoing().judge(&metadata.authorization_endpoint)?;
        let keys = self.outgoing().request(Method::GET, metadata.jwks_uri.clone())?;
        let keys: KeySet = self.ask(keys).await?;
        // A key of a kind that we do not know is no reason to refuse the others.
        let keys = keys.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Ok(Arc::new(Issuer { metadata, keys: keys.collect(), fetched_at: now }))
    }

    /// Sends a request to an issuer and reads its JSON, of at most a mebibyte.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, IdentityError> {
        let unreachable = |error: reqwest::Error| {
            // Without its address, which may carry a query.
            OidcError::Unreachable(error.without_url().into())
        };
        let request = request.timeout(TIMEOUT).header(http::header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if !status.is_success() {
            let cause = format!("it answered {status}");
            return Err(OidcError::Unreachable(cause.into()).into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BODY_MAX {
                return Err(OidcError::BadAnswer("it is too long").into());
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body)
            .map_err(|_| OidcError::BadAnswer("it lacks what the standard demands").into())
    }
}
