//! A small OpenID issuer with real keys, on a real socket, that can be made to err.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lyceum_core::Clock;
use lyceum_http::{Outgoing, OutgoingPolicy};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rsa::pkcs1::{EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::traits::PublicKeyParts as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub const CLIENT_ID: &str = "lyceum:client";
pub const CLIENT_SECRET: &str = "s3cret/with:signs&more";

/// How the next ID token is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Signature,
    AlgorithmNone,
    PublicKeyAsSecret,
    UnknownKey,
    KeyOfAnotherKind,
    Issuer,
    Audience,
    SecondAudience,
    AuthorizedParty,
    Nonce,
    NoNonce,
    NoSubject,
    /// Expired so many seconds ago.
    Expired(i64),
    /// Issued so many seconds from now.
    Early(i64),
}

/// What the issuer is to do and has done.
pub struct Behaviour {
    pub fault: Fault,
    /// What it says of the person.
    pub claims: Map<String, Value>,
    /// What only its user-info endpoint says.
    pub userinfo: Option<Value>,
    /// Sign with the EC key instead of the RSA key.
    pub elliptic: bool,
    /// The id of the key that it signs with and publishes.
    pub kid: String,
    /// Refuse at the authorization endpoint.
    pub refuse: bool,
    pub keys_asked: usize,
    /// Answer nothing about oneself.
    pub down: bool,
    pub asked: usize,
}

struct Code {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

struct Inner {
    url: String,
    clock: Clock,
    behaviour: Mutex<Behaviour>,
    codes: Mutex<HashMap<String, Code>>,
    elliptic: EcdsaKeyPair,
    elliptic_pkcs8: Vec<u8>,
}

#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

fn rsa_key() -> &'static rsa::RsaPrivateKey {
    static KEY: OnceLock<rsa::RsaPrivateKey> = OnceLock::new();
    KEY.get_or_init(|| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap())
}

impl Issuer {
    pub async fn start(clock: &Clock) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let behaviour = Behaviour {
            fault: Fault::None,
            claims: Map::new(),
            userinfo: None,
            elliptic: false,
            kid: "key-1".to_owned(),
            refuse: false,
            keys_asked: 0,
            down: false,
            asked: 0,
        };
        let issuer = Self(Arc::new(Inner {
            url,
            clock: clock.clone(),
            behaviour: Mutex::new(behaviour),
            codes: Mutex::default(),
            elliptic: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap(),
            elliptic_pkcs8: pkcs8.as_ref().to_vec(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// What the issuer says of the person from now on.
    pub fn says(&self, claims: Value) {
        self.set(|behaviour| behaviour.claims = claims.as_object().unwrap().clone());
    }

    pub fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.0.behaviour.lock().unwrap());
    }

    /// How often it was asked what it publishes.
    pub fn asked(&self) -> usize {
        self.0.behaviour.lock().unwrap().asked
    }

    pub fn keys_asked(&self) -> usize {
        self.0.behaviour.lock().unwrap().keys_asked
    }

    /// Opens the issuer's page as a browser does; answers where it sends the person back to, as
    /// path and query.
    pub async fn visit(&self, redirect_to: &Value) -> String {
        let policy = OutgoingPolicy { allowed_private_hosts: vec!["127.0.0.1".to_owned()] };
        let url = redirect_to.as_str().unwrap().parse().unwrap();
        let request = Outgoing::new(policy).unwrap().request(Method::GET, url).unwrap();
        let response = request.send().await.unwrap();
        let location = response.headers()[header::LOCATION].to_str().unwrap();
        location.strip_prefix(crate::app::ORIGIN).unwrap().to_owned()
    }

    fn id_token(&self, nonce: &str) -> String {
        let behaviour = self.0.behaviour.lock().unwrap();
        let (fault, now) = (behaviour.fault, self.0.clock.now().timestamp());
        let mut claims = behaviour.claims.clone();
        claims.insert("iss".into(), json!(self.0.url));
        claims.insert("aud".into(), json!(CLIENT_ID));
        claims.insert("nonce".into(), json!(nonce));
        claims.insert("iat".into(), json!(now));
        claims.insert("exp".into(), json!(now + 300));
        match fault {
            Fault::Issuer => claims.insert("iss".into(), json!("http://evil.example")),
            Fault::Audience => claims.insert("aud".into(), json!("another client")),
            Fault::SecondAudience => claims.insert("aud".into(), json!([CLIENT_ID, "another"])),
            Fault::AuthorizedParty => claims.insert("azp".into(), json!("another")),
            Fault::Nonce => claims.insert("nonce".into(), json!("another nonce")),
            Fault::NoNonce => claims.remove("nonce"),
            Fault::NoSubject => claims.remove("sub"),
            Fault::Expired(ago) => claims.insert("exp".into(), json!(now - ago)),
            Fault::Early(by) => claims.insert("iat".into(), json!(now + by)),
            _ => None,
        };
        let (algorithm, key) = match (fault, behaviour.elliptic) {
            (Fault::PublicKeyAsSecret, _) => {
                let public = rsa_key().to_public_key().to_pkcs1_der().unwrap();
                (Algorithm::HS256, EncodingKey::from_secret(public.as_bytes()))
            }
            (_, true) => (Algorithm::ES256, EncodingKey::from_ec_der(&self.0.elliptic_pkcs8)),
            (_, false) => {
                let private = rsa_key().to_pkcs1_der().unwrap();
                (Algorithm::RS256, EncodingKey::from_rsa_der(private.as_bytes()))
            }
        };
        let mut header = Header::new(algorithm);
        header.kid = Some(match fault {
            Fault::UnknownKey => "key-of-nobody".to_owned(),
            Fault::KeyOfAnotherKind => format!("{}-ec", behaviour.kid),
            _ if behaviour.elliptic => format!("{}-ec", behaviour.kid),
            _ => behaviour.kid.clone(),
        });
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        match fault {
            Fault::AlgorithmNone => {
                let header = json!({ "alg": "none", "typ": "JWT" }).to_string();
                format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), parts[1])
            }
            Fault::Signature => {
                let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
                signature[9] ^= 1;
                format!("{}.{}.{}", parts[0], parts[1], URL_SAFE_NO_PAD.encode(signature))
            }
            _ => token,
        }
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Response {
    {
        let mut behaviour = issuer.0.behaviour.lock().unwrap();
        behaviour.asked += 1;
        if behaviour.down {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    let url = issuer.url();
    let document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "userinfo_endpoint": format!("{url}/userinfo"),
        "end_session_endpoint": format!("{url}/logout"),
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    });
    Json(document).into_response()
}

async fn keys(State(issuer): State<Issuer>) -> Json<Value> {
    let mut behaviour = issuer.0.behaviour.lock().unwrap();
    behaviour.keys_asked += 1;
    let point = issuer.0.elliptic.public_key().as_ref();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Json(json!({ "keys": [
        { "kty": "quantum", "kid": "key-of-the-future", "alg": "Q1" },
        { "kty": "RSA", "use": "sig", "kid": behaviour.kid, "alg": "RS256",
          "n": encode(&rsa_key().n().to_bytes_be()), "e": encode(&rsa_key().e().to_bytes_be()) },
        { "kty": "EC", "use": "sig", "kid": format!("{}-ec", behaviour.kid), "crv": "P-256",
          "x": encode(&point[1..33]), "y": encode(&point[33..65]) },
    ] }))
}

async fn authorize(
    State(issuer): State<Issuer>,
    Query(asked): Query<HashMap<String, String>>,
) -> Redirect {
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!((&*asked["response_type"], &*asked["code_challenge_method"]), ("code", "S256"));
    assert!(asked["scope"].split(' ').any(|scope| scope == "openid"));
    let mut back: url::Url = asked["redirect_uri"].parse().unwrap();
    back.query_pairs_mut().append_pair("state", &asked["state"]);
    if issuer.0.behaviour.lock().unwrap().refuse {
        back.query_pairs_mut().append_pair("error", "access_denied");
        return Redirect::to(back.as_str());
    }
    let code = lyceum_core::new_id().to_string();
    back.query_pairs_mut().append_pair("code", &code).append_pair("iss", issuer.url());
    let kept = Code {
        nonce: asked["nonce"].clone(),
        challenge: asked["code_challenge"].clone(),
        redirect_uri: asked["redirect_uri"].clone(),
    };
    issuer.0.codes.lock().unwrap().insert(code, kept);
    Redirect::to(back.as_str())
}

async fn token(State(issuer): State<Issuer>, headers: HeaderMap, body: Bytes) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let code = issuer.0.codes.lock().unwrap().remove(&form["code"]);
    let unescape = |text: &str| {
        let pair = url::form_urlencoded::parse(text.as_bytes()).next();
        pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
    };
    let basic = headers[header::AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
    let basic = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
    let (id, secret) = basic.split_once(':').unwrap();
    let known = unescape(id) == CLIENT_ID && unescape(secret) == CLIENT_SECRET;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
    match code {
        Some(code)
            if known
                && code.challenge == challenge
                && code.redirect_uri == form["redirect_uri"] =>
        {
            let id_token = issuer.id_token(&code.nonce);
            let answer = json!({ "access_token": "an access token", "token_type": "Bearer",
                                 "id_token": id_token });
            Json(answer).into_response()
        }
        _ => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response(),
    }
}

async fn userinfo(State(issuer): State<Issuer>, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers[header::AUTHORIZATION], "Bearer an access token");
    let behaviour = issuer.0.behaviour.lock().unwrap();
    let own = json!({ "sub": behaviour.claims.get("sub") });
    Json(behaviour.userinfo.clone().unwrap_or(own))
}
