//! What every test here stands on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, header};
use axum::{Extension, Router};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use lyceum_core::{Clock, Secret};
use lyceum_gateway::{Gateway, GatewaySettings};
use lyceum_http::{
    AllowedModels, ApiError, Authenticator, Caller, Credential, Egress, Outgoing, OutgoingPolicy,
    SendError,
};
use lyceum_llm::openai::{HttpSend, OpenAiClient};
use lyceum_llm::{LocalModel, LocalModels, ModelKind, TransportError};
use lyceum_store::{Db, Keyring};
use lyceum_testkit::{MockUpstream, RedisServer, TestDb, caller_with};
use serde_json::{Value, json};
use sqlx::Row as _;
use tower::ServiceExt as _;
use url::Url;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub const KEY: &str = "sk-upstream-0123456789abcdef";

/// The rights of the role "user".
const USER: &[&str] =
    &["provider:*", "model:read", "model:write", "inference:create", "usage:read", "api_key:*"];

pub struct World {
    pub test: TestDb,
    pub upstream: MockUpstream,
    pub gateway: Gateway,
    pub app: Router,
    keyring: Keyring,
    people: Arc<People>,
}

/// Knows people by their tokens.
#[derive(Default)]
struct People(Mutex<HashMap<String, Caller>>);

#[async_trait]
impl Authenticator for People {
    async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.or_else(|| header("x-api-key"));
        let known = self.0.lock().unwrap();
        token
            .and_then(|token| known.get(token).cloned())
            .ok_or_else(|| ApiError::unauthenticated("Who are you?"))
    }
}

/// One node of a platform.
pub struct Node {
    pub gateway: Gateway,
    pub app: Router,
}

impl Node {
    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let response = self.open(who, method, path, body).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, value)
    }

    /// Sends a request and leaves the body to be read.
    pub async fn open(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> axum::response::Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {who}"));
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }
}

struct Http(Outgoing);

impl HttpSend for Http {
    fn send(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'_, Result<reqwest::Response, TransportError>> {
        Box::pin(async move {
            let answer = self.0.send(request).await;
            answer.map_err(|error| match error {
                SendError::Reqwest(error) => error.into(),
                SendError::Connecting(cause) => TransportError::Connect(cause),
                SendError::Broken(cause) => TransportError::Broken(cause),
            })
        })
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(GatewaySettings::default()).await
    }

    pub async fn with(settings: GatewaySettings) -> Self {
        Self::at(settings, Clock::system()).await
    }

    pub async fn at(settings: GatewaySettings, clock: Clock) -> Self {
        Self::made(settings, clock, &Egress::default()).await
    }

    /// One that goes out this way.
    pub async fn through(egress: &Egress) -> Self {
        Self::made(GatewaySettings::default(), Clock::system(), egress).await
    }

    async fn made(settings: GatewaySettings, clock: Clock, egress: &Egress) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let test = TestDb::new().await;
        let upstream = MockUpstream::with_key(KEY).await;
        let keyring = Keyring::generate().unwrap();
        let out = outgoing(&upstream.base_url, egress);
        let gateway = node(test.db.clone(), out, &upstream.base_url, &keyring, settings, clock);
        let gateway = gateway.await;
        let people = Arc::new(People::default());
        let app = app_of(&gateway, &people);
        Self { test, upstream, gateway, app, keyring, people }
    }

    /// The node that is there from the beginning.
    pub fn as_node(&self) -> Node {
        Node { gateway: self.gateway.clone(), app: self.app.clone() }
    }

    /// Another node of the same platform, its connections and its tasks its own.
    pub async fn node(&self) -> Gateway {
        self.node_with(GatewaySettings::default()).await.gateway
    }

    /// The same with these settings, and the same people at its door.
    pub async fn node_with(&self, settings: GatewaySettings) -> Node {
        let db = Db::connect(self.test.app_options(), 8).await.unwrap();
        self.node_on(db, settings).await
    }

    async fn node_on(&self, db: Db, settings: GatewaySettings) -> Node {
        let upstream = &self.upstream.base_url;
        let out = outgoing(upstream, &Egress::default());
        let gateway = node(db, out, upstream, &self.keyring, settings, Clock::system()).await;
        let app = app_of(&gateway, &self.people);
        Node { gateway, app }
    }

    /// The routes of another node that is told of changes, as the program sees to it.
    pub async fn second_node(&self) -> Router {
        self.told(self.node_with(GatewaySettings::default()).await)
    }

    /// Another node that shares what it keeps with the first by a Redis.
    pub async fn sharing_node(&self, server: &RedisServer) -> Router {
        let db = Db::connect(self.test.app_options(), 8).await.unwrap();
        for db in [&self.test.db, &db] {
            db.cache().share(server.connect().await, self.keyring.clone());
        }
        self.told(self.node_on(db, GatewaySettings::default()).await)
    }

    fn told(&self, node: Node) -> Router {
        let Node { gateway, app } = node;
        let changes = self.test.db.notifications("lyceum_identity");
        tokio::spawn(changes.for_each(move |_| {
            gateway.forget_access();
            futures::future::ready(())
        }));
        app
    }

    /// Makes a user whose token is their name.
    pub async fn user(&self, name: &str) -> Uuid {
        let id = lyceum_testkit::user(&self.test.db, name).await;
        self.people.0.lock().unwrap().insert(name.to_owned(), caller_with(id, USER));
        id
    }

    /// The same with every right.
    pub async fn admin(&self, name: &str) -> Uuid {
        let id = lyceum_testkit::admin(&self.test.db, name).await;
        self.people.0.lock().unwrap().insert(name.to_owned(), caller_with(id, &["*:*"]));
        id
    }

    /// Gives a person these rights and no others, also in the database.
    pub async fn grant(&self, id: Uuid, token: &str, rights: &[&str]) {
        let role = lyceum_core::new_id();
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "WITH gone AS (DELETE FROM identity.user_roles WHERE user_id = $2),
                  made AS (INSERT INTO identity.roles (id, name, permissions)
                           VALUES ($1, 'made_' || replace($2::text, '-', '_'), $3) RETURNING id)
             INSERT INTO identity.user_roles (user_id, role_id) SELECT $2, id FROM made",
        )
        .bind(role)
        .bind(id)
        .bind(json!(rights))
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        self.people.0.lock().unwrap().insert(token.to_owned(), caller_with(id, rights));
    }

    /// Nobody is known by this token any more.
    pub fn forget(&self, token: &str) {
        self.people.0.lock().unwrap().remove(token);
    }

    /// A key of the user `owner` as a token of its own; its id.
    pub async fn key(&self, owner: Uuid, token: &str) -> Uuid {
        let id = lyceum_core::new_id();
        let mut caller = caller_with(owner, USER);
        caller.credential = Credential::ApiKey(id);
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
             VALUES ($1, $2, $3, sha256(convert_to($3, 'UTF8')), '', '[]')",
        )
        .bind(id)
        .bind(owner)
        .bind(token)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        self.people.0.lock().unwrap().insert(token.to_owned(), caller);
        id
    }

    /// Limits the key of this token to these models.
    pub fn limit_models(&self, token: &str, models: &[&str]) {
        let names = models.iter().map(|name| (*name).to_owned()).collect();
        let mut people = self.people.0.lock().unwrap();
        people.get_mut(token).unwrap().models = AllowedModels::new(Some(names));
    }

    /// A group of these members.
    pub async fn group(&self, name: &str, members: &[Uuid]) -> Uuid {
        let id = lyceum_core::new_id();
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "WITH made AS (INSERT INTO identity.groups (id, name) VALUES ($1, $2) RETURNING id)
             INSERT INTO identity.group_members (group_id, user_id)
             SELECT made.id, member FROM made, unnest($3::uuid[]) AS member",
        )
        .bind(id)
        .bind(name)
        .bind(members)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// One number out of the database, as the platform sees it.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        self.as_node().send(who, method, path, body).await
    }

    /// Sends a request and leaves the body to be read.
    pub async fn open(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> axum::response::Response {
        self.as_node().open(who, method, path, body).await
    }

    /// Gets something as Anthropic's clients do.
    pub async fn open_as_anthropic(&self, who: &str, path: &str) -> axum::response::Response {
        let request = Request::builder()
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {who}"))
            .header("anthropic-version", "2023-06-01");
        self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// A personal provider at the upstream; its id.
    pub async fn provider(&self, who: &str, name: &str) -> String {
        self.provider_of(who, "custom", name, &self.upstream.base_url, json!({})).await
    }

    /// The same of another kind, at an address and with settings of its own; it is given up after a
    /// second unless they say otherwise.
    pub async fn provider_of(
        &self,
        who: &str,
        kind: &str,
        name: &str,
        base_url: &str,
        mut config: Value,
    ) -> String {
        for name in ["first_byte_timeout_seconds", "idle_timeout_seconds"] {
            if config.get(name).is_none() {
                config[name] = json!(1);
            }
        }
        let body = json!({"provider": kind, "name": name, "scope": "personal",
            "base_url": base_url, "api_key": KEY, "config": config});
        let (status, view) = self.send(who, "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        view["id"].as_str().unwrap().to_owned()
    }

    /// A model at a provider, under the upstream's own name; its id.
    pub async fn model(&self, who: &str, provider: &str, model: &str, kind: &str) -> String {
        let body = json!({"provider_config_id": provider, "model": model, "kind": kind});
        let (status, view) = self.send(who, "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        view["id"].as_str().unwrap().to_owned()
    }

    /// All ledger rows in order, once everything is written.
    pub async fn ledger(&self) -> Vec<LedgerRow> {
        self.gateway.flush().await;
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        let rows = sqlx::query(
            "SELECT requested_model, served_model, provider, purpose, prompt_tokens,
                    completion_tokens, cached_tokens, reasoning_tokens, cost::text AS cost,
                    estimated, status, error_code, first_token_ms, cache_hit, end_user
             FROM gateway.usage_statistics ORDER BY created_at, id",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        rows.iter()
            .map(|row| LedgerRow {
                model: row.get("requested_model"),
                served_model: row.get("served_model"),
                provider: row.get("provider"),
                purpose: row.get("purpose"),
                prompt_tokens: row.get("prompt_tokens"),
                completion_tokens: row.get("completion_tokens"),
                cached_tokens: row.get("cached_tokens"),
                reasoning_tokens: row.get("reasoning_tokens"),
                cost: row.get("cost"),
                estimated: row.get("estimated"),
                status: row.get("status"),
                error_code: row.get("error_code"),
                first_token_ms: row.get("first_token_ms"),
                cache_hit: row.get("cache_hit"),
                end_user: row.get("end_user"),
            })
            .collect()
    }
}

/// A way out that may reach the upstream.
fn outgoing(upstream: &str, egress: &Egress) -> Outgoing {
    let url = Url::parse(upstream).unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let policy = OutgoingPolicy { allowed_private_hosts: vec![host, "127.0.0.2".to_owned()] };
    Outgoing::through(policy, egress).unwrap()
}

/// A gateway on `db` whose built-in models are the upstream.
async fn node(
    db: Db,
    outgoing: Outgoing,
    upstream: &str,
    keyring: &Keyring,
    settings: GatewaySettings,
    clock: Clock,
) -> Gateway {
    let url = Url::parse(upstream).unwrap();
    let http = Arc::new(Http(outgoing.clone()));
    let engine = Arc::new(OpenAiClient::new(http, url, Some(Secret::new(KEY))));
    let local = |id: &str, kind, dimensions, installed| LocalModel {
        id: id.to_owned(),
        display_name: id.to_uppercase(),
        kind,
        context_length: 4096,
        dimensions,
        licence: "Apache-2.0".to_owned(),
        installed,
        default: installed,
    };
    let catalogue = [
        local("local-chat", ModelKind::Chat, None, true),
        local("local-embedding", ModelKind::Embedding, Some(8), true),
        local("local-missing", ModelKind::Chat, None, false),
    ];
    let local = LocalModels {
        chat: engine.clone(),
        embedding: engine,
        catalogue: catalogue.into(),
        ..LocalModels::absent()
    };
    Gateway::with_settings(db, keyring.clone(), outgoing, local, clock, settings).await.unwrap()
}

fn app_of(gateway: &Gateway, people: &Arc<People>) -> Router {
    let authenticator: Arc<dyn Authenticator> = people.clone();
    let (app, _) = OpenApiRouter::new()
        .nest("/api/v1", lyceum_gateway::router(gateway.clone()))
        .merge(lyceum_gateway::v1_router(gateway.clone()))
        .split_for_parts();
    app.layer(Extension(authenticator))
}

#[derive(Debug)]
pub struct LedgerRow {
    pub model: String,
    pub served_model: Option<String>,
    pub provider: String,
    pub purpose: String,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub cached_tokens: i64,
    pub reasoning_tokens: i64,
    pub cost: Option<String>,
    pub estimated: bool,
    pub status: String,
    pub error_code: Option<String>,
    pub first_token_ms: Option<i32>,
    pub cache_hit: bool,
    pub end_user: Option<String>,
}

/// The data of all events of a stream.
pub fn events(stream: &Value) -> Vec<String> {
    let text = stream.as_str().unwrap();
    let data = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
    data.map(str::to_owned).collect()
}

/// The text that the chunks of a stream add up to.
pub fn text_of(events: &[String]) -> String {
    let chunks = events.iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
    chunks
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect()
}
