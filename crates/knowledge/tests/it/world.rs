//! What every test here stands on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts as RequestParts;
use axum::http::{Request, Response, StatusCode, header};
use axum::{Extension, Router};
use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_http::{
    AllowedModels, ApiError, Authenticator, Caller, Credential, Outgoing, OutgoingPolicy,
};
use lyceum_jobs::{CancellationToken, Job, JobContext, JobError};
use lyceum_knowledge::parse::{ParseLimits, Parser};
use lyceum_knowledge::{IngestDocument, Knowledge, KnowledgeSettings, Parts};
use lyceum_llm::{
    EmbeddingModel, EmbeddingRequest, EmbeddingResponse, LlmError, LocalModel, LocalModels,
    ModelKind, TokenCounter, Usage,
};
use lyceum_store::{Keyring, Objects};
use lyceum_testkit::{TestDb, caller_with};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

const USER: &[&str] = &["knowledge_base:*", "document:*"];
pub const BOUNDARY: &str = "boundary-7d1f";

/// Words to vectors by hashing: alike where words are shared. Fails and waits as told.
pub struct Hashing {
    pub calls: AtomicUsize,
    pub texts: Mutex<Vec<String>>,
    /// Calls that fail from now on.
    pub failing: AtomicUsize,
    /// Calls that are let through before the next one waits for ever.
    pub open: AtomicUsize,
}

#[async_trait]
impl EmbeddingModel for Hashing {
    async fn embed(&self, request: EmbeddingRequest) -> Result<EmbeddingResponse, LlmError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let less = |value: usize| value.checked_sub(1);
        if self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(LlmError::EngineUnavailable("told to fail".into()));
        }
        if self.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            std::future::pending::<()>().await;
        }
        self.texts.lock().unwrap().extend(request.input.iter().cloned());
        let embeddings = request.input.iter().map(|text| vector(text)).collect();
        let usage = Some(Usage { prompt_tokens: 1, ..Usage::default() });
        Ok(EmbeddingResponse { model: request.model, embeddings, usage })
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01f32; 384];
    for word in lyceum_knowledge::words::words(text) {
        let bucket = word.bytes().fold(7usize, |hash, b| hash.wrapping_mul(31) ^ usize::from(b));
        vector[bucket % 384] += 1.0;
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

struct Letters;

#[async_trait]
impl TokenCounter for Letters {
    async fn count(&self, texts: &[String]) -> Result<Vec<usize>, LlmError> {
        Ok(texts.iter().map(|text| lyceum_knowledge::chunk::estimate(text)).collect())
    }
}

#[derive(Default)]
struct People(Mutex<HashMap<String, Caller>>);

#[async_trait]
impl Authenticator for People {
    async fn authenticate(&self, parts: &RequestParts) -> Result<Caller, ApiError> {
        let token = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let known = self.0.lock().unwrap();
        token
            .and_then(|token| known.get(token).cloned())
            .ok_or_else(|| ApiError::unauthenticated("Who are you?"))
    }
}

pub struct World {
    pub test: TestDb,
    pub knowledge: Knowledge,
    pub model: Arc<Hashing>,
    pub folder: tempfile::TempDir,
    app: Router,
    people: Arc<People>,
}

/// The parser that runs this test binary as its child.
pub fn parser(limits: ParseLimits) -> Parser {
    let arguments = ["--exact", "parse_child", "--ignored", "--nocapture"];
    let program = std::env::current_exe().unwrap();
    Parser::new(program, arguments.map(Into::into).to_vec(), limits)
}

impl World {
    pub async fn new() -> Self {
        Self::with(KnowledgeSettings { embed_batch_chunks: 4, ..Default::default() }).await
    }

    pub async fn with(settings: KnowledgeSettings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let test = TestDb::new().await;
        let model = Arc::new(Hashing {
            calls: AtomicUsize::new(0),
            texts: Mutex::default(),
            failing: AtomicUsize::new(0),
            open: AtomicUsize::new(usize::MAX),
        });
        let local = LocalModel {
            id: "hashing".to_owned(),
            display_name: "Hashing".to_owned(),
            kind: ModelKind::Embedding,
            context_length: 512,
            dimensions: Some(384),
            licence: "Apache-2.0".to_owned(),
            installed: true,
            default: true,
        };
        let local = LocalModels {
            embedding: model.clone(),
            catalogue: [local].into(),
            ..LocalModels::absent()
        };
        let outgoing = Outgoing::new(OutgoingPolicy { allowed_private_hosts: vec![] }).unwrap();
        let keyring = Keyring::generate().unwrap();
        let (db, clock) = (test.db.clone(), Clock::system());
        let gateway = Gateway::new(db, keyring, outgoing, local, clock.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts {
            db: test.db.clone(),
            objects: Objects::folder(folder.path()).unwrap(),
            gateway,
            tokens: Arc::new(Letters),
            parser: parser(ParseLimits::default()),
            clock,
        };
        let knowledge = Knowledge::new(parts, settings);
        let people = Arc::new(People::default());
        let authenticator: Arc<dyn Authenticator> = people.clone();
        let router: OpenApiRouter = lyceum_knowledge::router(knowledge.clone());
        let (app, _) = router.split_for_parts();
        let app = app.layer(Extension(authenticator));
        Self { test, knowledge, model, folder, app, people }
    }

    /// Makes a user whose token is their name.
    pub async fn user(&self, name: &str) -> Uuid {
        let id = lyceum_testkit::user(&self.test.db, name).await;
        self.people.0.lock().unwrap().insert(name.to_owned(), caller_with(id, USER));
        id
    }

    /// Makes an API key of a user, whose token is `token`.
    pub async fn key(&self, user: Uuid, token: &str) -> Uuid {
        let id = lyceum_core::new_id();
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query(
            "INSERT INTO identity.api_keys (id, user_id, name, key_hash, hint, permissions)
             VALUES ($1, $2, 'key', sha256($1::text::bytea), 'hint', '[\"*:*\"]')",
        )
        .bind(id)
        .bind(user)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let caller = Caller { credential: Credential::ApiKey(id), ..caller_with(user, USER) };
        self.people.0.lock().unwrap().insert(token.to_owned(), caller);
        id
    }

    /// Limits the key of this token to one model.
    pub fn limit_models(&self, token: &str, model: &str) {
        let mut people = self.people.0.lock().unwrap();
        let models = AllowedModels::new(Some(vec![model.to_owned()]));
        people.get_mut(token).unwrap().models = models;
    }

    pub async fn raw(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header("authorization", who);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let response = self.raw(request.unwrap()).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Makes a base of small chunks.
    pub async fn base(&self, who: &str, name: &str) -> Uuid {
        let new = json!({"name": name, "chunk_size": 64, "chunk_overlap": 10});
        let (status, base) = self.send(who, "POST", "/knowledge-bases", Some(new)).await;
        assert_eq!(status, StatusCode::CREATED, "{base}");
        base["id"].as_str().unwrap().parse().unwrap()
    }

    pub async fn upload(
        &self,
        who: &str,
        base: Uuid,
        name: &str,
        bytes: &[u8],
    ) -> (StatusCode, Value) {
        let response = self.raw(upload_request(who, base, name, bytes)).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// One attempt at a document.
    pub async fn attempt(&self, owner: Uuid, document: Uuid, attempt: i32) -> Result<(), JobError> {
        let job = IngestDocument { document_id: document, owner_id: owner, api_key_id: None };
        self.run(job, attempt).await
    }

    /// One attempt at the work that an upload put into the queue.
    pub async fn run_queued(&self) -> Result<(), JobError> {
        let mut owner = self.test.owner.connect().await.unwrap();
        let payload: Value = sqlx::query_scalar(
            "SELECT j.payload::jsonb FROM graphile_worker._private_jobs j
             JOIN graphile_worker._private_tasks t ON t.id = j.task_id
             WHERE t.identifier = $1 ORDER BY j.id DESC LIMIT 1",
        )
        .bind(IngestDocument::NAME)
        .fetch_one(&mut owner)
        .await
        .unwrap();
        self.run(serde_json::from_value(payload).unwrap(), 1).await
    }

    async fn run(&self, job: IngestDocument, attempt: i32) -> Result<(), JobError> {
        let context = JobContext {
            job_id: 1,
            attempt,
            max_attempts: IngestDocument::MAX_ATTEMPTS,
            shutdown: CancellationToken::new(),
        };
        job.run(self.knowledge.clone(), context).await
    }

    /// Uploads a file and ingests it.
    pub async fn ingest(
        &self,
        who: &str,
        owner: Uuid,
        base: Uuid,
        name: &str,
        bytes: &[u8],
    ) -> Value {
        let (status, document) = self.upload(who, base, name, bytes).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{document}");
        let id = id(&document);
        let outcome = self.attempt(owner, id, 1).await;
        let (_, document) = self.send(who, "GET", &format!("/documents/{id}"), None).await;
        assert_eq!(outcome.is_ok(), document["status"] == "completed", "{outcome:?} {document}");
        document
    }

    /// A number, asked past every right.
    pub async fn number(&self, sql: &'static str) -> i64 {
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut *tx).await.unwrap()
    }

    /// Changes rows past every right.
    pub async fn write(&self, sql: &'static str) {
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
}

pub fn id(value: &Value) -> Uuid {
    value["id"].as_str().unwrap().parse().unwrap()
}

pub fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nx\r\n\
         --{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

pub fn upload_request(who: &str, base: Uuid, name: &str, bytes: &[u8]) -> Request<Body> {
    let body = form(name, bytes);
    Request::builder()
        .method("POST")
        .uri(format!("/knowledge-bases/{base}/documents"))
        .header("authorization", who)
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .header("content-length", body.len())
        .body(Body::from(body))
        .unwrap()
}
