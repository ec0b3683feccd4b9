//! What a request tells about its sender, and the cookies that go back.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::AppendHeaders;
use axum_extra::extract::cookie::{Cookie, CookieJar};
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use lyceum_core::Secret;
use lyceum_http::{ApiError, ClientInfo};

use crate::error::CLIENT_HEADER;
use crate::session::Issued;
use crate::{Identity, IdentityError};

/// Cookie of the access token.
pub(crate) const ACCESS_COOKIE: &str = "lyceum_access";
/// Cookie of the refresh token; sent only to the paths below [`REFRESH_PATH`].
pub(crate) const REFRESH_COOKIE: &str = "lyceum_refresh";
/// Cookie that binds a sign-in through an issuer to the browser that began it.
pub(crate) const OIDC_COOKIE: &str = "lyceum_oidc";
const OIDC_PATH: &str = "/api/v1/auth/oidc";
const REFRESH_PATH: &str = "/api/v1/auth";
/// Characters kept of the `User-Agent` header.
const USER_AGENT_MAX: usize = 400;

/// The address that a request comes from. Behind a trusted proxy it is the last one in
/// `X-Forwarded-For`, which that proxy itself appended; what stands before may be made up.
fn client_ip(parts: &Parts, trust_proxy: bool) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let forwarded = trust_proxy.then(|| last_forwarded(&parts.headers)).flatten();
    forwarded.or(peer).map(|ip| ip.to_canonical())
}

/// Where a request comes from, and with what program; where the proxy is trusted, by its word. What
/// is among the request's extensions was found before and is not read again.
pub fn client_info(parts: &Parts, trust_proxy: bool) -> ClientInfo {
    if let Some(found) = parts.extensions.get::<ClientInfo>() {
        return found.clone();
    }
    let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    ClientInfo {
        ip: client_ip(parts, trust_proxy),
        // It is ASCII, so that a byte is a character.
        user_agent: user_agent.map(|text| text.get(..USER_AGENT_MAX).unwrap_or(text).into()),
    }
}

fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

/// Whether a request with this method may change something.
fn changes_state(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The rule against cross-site requests: a page of another origin can make the browser send our
/// cookies, but it cannot add this header.
pub(crate) fn require_client_header(
    method: &Method,
    headers: &HeaderMap,
) -> Result<(), IdentityError> {
    if changes_state(method) && !headers.contains_key(CLIENT_HEADER) {
        return Err(IdentityError::ClientHeaderMissing);
    }
    Ok(())
}

/// The sender of a request to one of the public addresses.
pub(crate) struct Sender {
    /// Address and program.
    pub(crate) client: ClientInfo,
    cookies: CookieJar,
    secure: bool,
    client_header: bool,
}

impl FromRequestParts<Identity> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, identity: &Identity) -> Result<Self, ApiError> {
        let config = identity.config();
        let forwarded_https = config.trust_proxy
            && parts
                .headers
                .get("x-forwarded-proto")
                .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        Ok(Self {
            client: client_info(parts, config.trust_proxy),
            cookies: CookieJar::from_headers(&parts.headers),
            secure: config.secure_cookies || forwarded_https,
            client_header: parts.headers.contains_key(CLIENT_HEADER),
        })
    }
}

impl Sender {
    /// For the addresses that act on a cookie without an authenticated caller.
    pub(crate) fn require_client_header(&self) -> Result<(), IdentityError> {
        if self.client_header { Ok(()) } else { Err(IdentityError::ClientHeaderMissing) }
    }

    /// A cookie of the request.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(Cookie::value)
    }

    /// The answer's headers that set the tokens of a session.
    pub(crate) fn with_tokens(&self, issued: &Issued, now: DateTime<Utc>) -> SetCookies {
        let life = |until: DateTime<Utc>| (until - now).num_seconds().max(0);
        AppendHeaders([
            self.set(ACCESS_COOKIE, "/", &issued.access, life(issued.access_expires_at)),
            self.set(REFRESH_COOKIE, REFRESH_PATH, &issued.refresh, life(issued.expires_at)),
        ])
    }

    /// The answer's headers that make the browser forget the session.
    pub(crate) fn without_tokens(&self) -> SetCookies {
        let none = Secret::default();
        AppendHeaders([
            self.set(ACCESS_COOKIE, "/", &none, 0),
            self.set(REFRESH_COOKIE, REFRESH_PATH, &none, 0),
        ])
    }

    /// The header that keeps the secret of a sign-in through an issuer. The issuer's answer comes as
    /// a navigation from its own site, so the cookie has to be `Lax`.
    pub(crate) fn with_oidc(&self, secret: &Secret, seconds: i64) -> (HeaderName, String) {
        let (name, text) = self.set(OIDC_COOKIE, OIDC_PATH, secret, seconds);
        (name, text.replace("SameSite=Strict", "SameSite=Lax"))
    }

    fn set(&self, name: &str, path: &str, value: &Secret, seconds: i64) -> (HeaderName, String) {
        let secure = if self.secure { "; Secure" } else { "" };
        let value = value.expose();
        let cookie = format!(
            "{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        (header::SET_COOKIE, cookie)
    }
}

/// The two `Set-Cookie` headers of an answer.
pub(crate) type SetCookies = AppendHeaders<[(HeaderName, String); 2]>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let peer: SocketAddr = ([192, 0, 2, 1], 4711).into();
        let mut request = Request::builder().extension(ConnectInfo(peer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_a_trusted_proxy_names_the_address_and_only_its_own_entry_counts() {
        let ip = |trust, headers: &[(&str, &str)]| {
            client_info(&parts(headers), trust).ip.unwrap().to_string()
        };
        let one = [("x-forwarded-for", "10.0.0.1, 203.0.113.9")];
        assert_eq!(ip(false, &one), "192.0.2.1");
        assert_eq!(ip(true, &one), "203.0.113.9");
        let two = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "::ffff:203.0.113.8")];
        assert_eq!(ip(true, &two), "203.0.113.8");
        assert_eq!(ip(true, &[("x-forwarded-for", "unknown")]), "192.0.2.1");
        assert_eq!(ip(true, &[]), "192.0.2.1");
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let agent = "x".repeat(1000);
        let info = client_info(&parts(&[("user-agent", &agent)]), false);
        assert_eq!(info.user_agent.unwrap().len(), 400);
    }

    #[test]
    fn what_was_found_of_a_request_is_not_read_again() {
        let mut parts = parts(&[("user-agent", "curl/8")]);
        let first = client_info(&parts, false);
        parts.extensions.insert(first.clone());
        parts.headers.insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        let again = client_info(&parts, true);
        assert_eq!(again.ip, first.ip);
        assert!(Arc::ptr_eq(&again.user_agent.unwrap(), &first.user_agent.unwrap()));
    }

    #[test]
    fn only_requests_that_change_something_need_the_header() {
        let with = parts(&[("x-lyceum-client", "web")]).headers;
        let without = HeaderMap::new();
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(require_client_header(&method, &without).is_ok());
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(require_client_header(&method, &without).is_err(), "{method}");
            assert!(require_client_header(&method, &with).is_ok(), "{method}");
        }
    }
}
