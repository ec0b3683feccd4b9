//! A running identity service and clients with cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use chrono::DateTime;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use lyceum_core::Clock;
use lyceum_http::{Authenticator, Outgoing, OutgoingPolicy};
use lyceum_identity::{Identity, IdentityConfig, SigningKey};
use lyceum_jobs::{Jobs, JobsHandle};
use lyceum_store::{Keyring, Objects};
use lyceum_testkit::TestDb;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// The key that all services of the tests share.
pub const KEY: [u8; 32] = [7; 32];

/// The address that people open.
pub const ORIGIN: &str = "https://lyceum.example";

/// One node with a database of its own.
pub struct App {
    pub test: TestDb,
    pub identity: Identity,
    pub clock: Clock,
    pub objects: Objects,
    keyring: Keyring,
    router: Router,
    _folder: TempDir,
}

impl App {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: IdentityConfig) -> Self {
        let test = TestDb::new().await;
        let clock = Clock::fixed(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let folder = TempDir::new().unwrap();
        let objects = Objects::folder(folder.path()).unwrap();
        let keyring = Keyring::generate().unwrap();
        let (identity, router) = node(&test, &objects, &clock, &keyring, config);
        Self { test, identity, clock, objects, keyring, router, _folder: folder }
    }

    /// A further node on the same database.
    pub fn another_node(&self) -> (Identity, Router) {
        node(&self.test, &self.objects, &self.clock, &self.keyring, config())
    }

    /// Starts doing the jobs that were enqueued.
    pub async fn work(&self) -> JobsHandle {
        let jobs = Jobs::new(self.test.owner.clone());
        lyceum_identity::register_jobs(jobs, &self.identity).start().await.unwrap()
    }

    /// Does the jobs that wait, and all that follow from them.
    pub async fn finish_jobs(&self) {
        let working = self.work().await;
        for _ in 0..600 {
            let mut tx = self.test.db.begin_maintenance().await.unwrap();
            let figures = lyceum_jobs::figures(&mut tx).await.unwrap();
            assert_eq!(figures.failed, 0, "{:?}", lyceum_jobs::failed(&mut tx, 1).await.unwrap());
            drop(tx);
            if figures == lyceum_jobs::JobFigures::default() {
                return working.shutdown().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the jobs did not end within half a minute");
    }

    /// Sets one of the platform's settings.
    pub async fn set(&self, key: &str, value: Value) {
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        let set = sqlx::query("UPDATE ops.system_configs SET value = $2 WHERE key = $1")
            .bind(key)
            .bind(value)
            .execute(&mut *tx)
            .await
            .unwrap();
        assert_eq!(set.rows_affected(), 1, "{key}");
        tx.commit().await.unwrap();
    }

    /// Somebody who never signed in.
    pub fn visitor(&self) -> Client {
        Client::new(self.router.clone())
    }

    /// The first administrator, "root", signed in.
    pub async fn set_up(&self) -> Client {
        let token = self.identity.setup_token().await.unwrap().unwrap();
        let mut client = self.visitor();
        let body = json!({ "token": token.expose(), "username": "root",
                           "email": "root@example.org", "password": PASSWORD });
        client.post("/api/v1/setup", body).await.expect(201);
        client
    }

    /// A user with the role "user", made by the administrator and signed in.
    pub async fn user(&self, admin: &mut Client, name: &str) -> Client {
        let body = json!({ "username": name, "email": format!("{name}@example.org"),
                           "password": PASSWORD });
        admin.post("/api/v1/users", body).await.expect(201);
        let mut client = self.visitor();
        client.sign_in(name).await.expect(200);
        client
    }
}

/// What the nodes of the tests are set to.
pub fn config() -> IdentityConfig {
    IdentityConfig { public_url: Some(ORIGIN.parse().unwrap()), ..IdentityConfig::default() }
}

pub fn node(
    test: &TestDb,
    objects: &Objects,
    clock: &Clock,
    keyring: &Keyring,
    config: IdentityConfig,
) -> (Identity, Router) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = SigningKey::from_bytes(KEY);
    // The issuer of the tests is on this machine.
    let policy = OutgoingPolicy { allowed_private_hosts: vec!["127.0.0.1".to_owned()] };
    let outgoing = Outgoing::new(policy).unwrap();
    let (db, objects, clock) = (test.db.clone(), objects.clone(), clock.clone());
    let identity = Identity::new(db, objects, clock, &key, keyring.clone(), outgoing, config);
    let authenticator: Arc<dyn Authenticator> = Arc::new(identity.clone());
    let router = OpenApiRouter::new()
        .nest("/api/v1", lyceum_identity::router(identity.clone()))
        .nest("/scim/v2", lyceum_identity::scim_router(identity.clone()))
        .split_for_parts()
        .0
        .layer(Extension(authenticator));
    (identity, router)
}

/// A browser, as far as it matters here.
#[derive(Clone)]
pub struct Client {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub bearer: Option<String>,
    pub api_key: Option<String>,
    pub address: SocketAddr,
    /// Whether it is our own web app, which sends the client header.
    pub ours: bool,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub bytes: Bytes,
}

impl Client {
    pub fn new(router: Router) -> Self {
        let address = ([192, 0, 2, 1], 4711).into();
        Self { router, cookies: BTreeMap::new(), bearer: None, api_key: None, address, ours: true }
    }

    /// The same browser at another node.
    pub fn at(&self, router: Router) -> Self {
        Self { router, ..self.clone() }
    }

    pub async fn sign_in(&mut self, login: &str) -> Answer {
        self.sign_in_with(login, PASSWORD).await
    }

    pub async fn sign_in_with(&mut self, login: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/sign-in", json!({ "login": login, "password": password })).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    pub async fn patch(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    pub async fn put(&mut self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.send_as(method, path, "application/json", body.map(Bytes::from)).await
    }

    /// Sends a body that is no JSON.
    pub async fn upload(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send_as(Method::PUT, path, "application/octet-stream", Some(body.into())).await
    }

    async fn send_as(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::USER_AGENT, "test browser");
        if self.ours {
            request = request.header("x-lyceum-client", "web");
        }
        if let Some(token) = &self.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = &self.api_key {
            request = request.header("x-api-key", key);
        }
        let cookies = self
            .cookies
            .iter()
            .filter(|(name, _)| *name != "lyceum_refresh" || path.starts_with("/api/v1/auth"));
        let cookies: Vec<_> = cookies.map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let body = match body {
            Some(bytes) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Body::from(bytes)
            }
            None => Body::empty(),
        };
        let request = request.extension(ConnectInfo(self.address)).body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        self.keep_cookies(&parts.headers);
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body, bytes }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// A problem of this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let body = self.expect(status);
        assert_eq!(body["code"], code, "{body}");
        body
    }

    /// A refused field.
    #[track_caller]
    pub fn refused_field(self, field: &str) {
        let body = self.refused(422, "invalid_field");
        assert_eq!(body["field"], field, "{body}");
    }
}

/// The id in an answer.
#[track_caller]
pub fn id(body: &Value) -> Uuid {
    body["id"].as_str().unwrap().parse().unwrap()
}

/// The token in a link.
#[track_caller]
pub fn token_of(link: &str) -> String {
    link.split_once("#token=").unwrap_or_else(|| panic!("{link}")).1.trim().to_owned()
}
