//! Measures opening a conversation of 100,000 messages and sending into it, beside the same in a
//! conversation of 100. Run: `cargo run --release -p lyceum-chat --example history`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::Request;
use http::request::Parts;
use lyceum_chat::{Chat, ChatSettings};
use lyceum_core::{Clock, new_id};
use lyceum_gateway::Gateway;
use lyceum_http::{ApiError, Authenticator, Caller, Outgoing, OutgoingPolicy};
use lyceum_llm::{LocalModel, LocalModels, ModelKind};
use lyceum_store::Keyring;
use lyceum_testkit::TestDb;
use sqlx::ConnectOptions as _;
use tower::ServiceExt as _;
use uuid::Uuid;

const ROUNDS: usize = 2_000;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn main() -> Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let database = TestDb::new().await;
    let user = lyceum_testkit::user(&database.db, "bench").await;
    let router = router(&database).await?;
    let small = conversation(&database, user, 100).await?;
    let large = conversation(&database, user, 100_000).await?;
    let list: Vec<Uuid> = many_conversations(&database, user).await?;
    println!("rounds: {ROUNDS}; {} conversations", list.len() + 2);
    let leaf = format!("/conversations/{large}/messages?limit=50&before=50001");
    for (name, path) in [
        ("first page,     100 messages", format!("/conversations/{small}/messages?limit=50")),
        ("first page, 100,000 messages", format!("/conversations/{large}/messages?limit=50")),
        ("middle,     100,000 messages", leaf),
        ("list of 10,000 conversations", "/conversations?limit=50".to_owned()),
    ] {
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS + 50 {
            let began = Instant::now();
            get(&router, user, &path).await?;
            if round >= 50 {
                times.push(began.elapsed());
            }
        }
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("{name}: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    }
    for (name, id) in [("100", small), ("100,000", large)] {
        let times = send(&router, user, id, 200).await?;
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        println!("sending into {name} messages: p50 {:?}, p99 {:?}", at(0.5), at(0.99));
    }
    Ok(())
}

async fn get(router: &Router, user: Uuid, path: &str) -> Result<()> {
    let request = Request::get(path).header("x-user", user.to_string()).body(Body::empty())?;
    let response = router.clone().oneshot(request).await?;
    assert!(response.status().is_success(), "{path}: {}", response.status());
    axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    Ok(())
}

async fn send(router: &Router, user: Uuid, id: Uuid, rounds: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for round in 0..rounds {
        let body = serde_json::json!({ "content": format!("question {round}"), "parent_id": null });
        let request = Request::post(format!("/conversations/{id}/messages"))
            .header("x-user", user.to_string())
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))?;
        let began = Instant::now();
        let response = router.clone().oneshot(request).await?;
        times.push(began.elapsed());
        assert_eq!(response.status(), 201);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times.sort();
    Ok(times)
}

async fn router(database: &TestDb) -> Result<Router> {
    let (db, clock) = (database.db.clone(), Clock::system());
    let outgoing = Outgoing::new(OutgoingPolicy::default())?;
    let gateway =
        Gateway::new(db.clone(), Keyring::generate()?, outgoing, local_models(), clock.clone())
            .await?;
    let settings = ChatSettings { max_running_per_user: 10_000, ..ChatSettings::default() };
    let chat = Chat::new(db, gateway, None, clock, settings);
    let authenticator: Arc<dyn Authenticator> = Arc::new(ByHeader);
    let router: Router = lyceum_chat::router(chat).into();
    Ok(router.layer(axum::Extension(authenticator)))
}

async fn conversation(database: &TestDb, user: Uuid, messages: i64) -> Result<Uuid> {
    let id = new_id();
    let mut connection = database.owner.connect().await?;
    for statement in [
        "INSERT INTO chat.conversations
           (id, user_id, last_message_at, created_at, updated_at, last_sequence, message_count)
         VALUES ($1, $2, now(), now(), now(), $3, $3)",
        "INSERT INTO chat.messages
           (id, conversation_id, user_id, parent_id, sequence_number, role, content, status, words,
            created_at, updated_at)
         SELECT md5($1::text || n)::uuid, $1, $2,
                CASE WHEN n > 1 THEN md5($1::text || n - 1)::uuid END, n,
                CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
                repeat('message ' || n || ' ', 40), 'completed',
                to_tsvector('simple', 'message ' || n), now(), now()
         FROM generate_series(1, $3) AS n",
        "UPDATE chat.conversations SET active_leaf_id = md5($1::text || $3)::uuid
         WHERE id = $1 AND user_id = $2",
    ] {
        sqlx::query(statement).bind(id).bind(user).bind(messages).execute(&mut connection).await?;
    }
    sqlx::query("ANALYZE chat.messages").execute(&mut connection).await?;
    Ok(id)
}

async fn many_conversations(database: &TestDb, user: Uuid) -> Result<Vec<Uuid>> {
    let mut connection = database.owner.connect().await?;
    let made = sqlx::query_scalar(
        "INSERT INTO chat.conversations
           (id, user_id, title, last_message_at, created_at, updated_at)
         SELECT gen_random_uuid(), $1, 'talk ' || n, now() - n * interval '1 minute', now(), now()
         FROM generate_series(1, 9998) AS n RETURNING id",
    )
    .bind(user)
    .fetch_all(&mut connection)
    .await?;
    sqlx::query("ANALYZE chat.conversations").execute(&mut connection).await?;
    Ok(made)
}

/// One model that never answers.
fn local_models() -> LocalModels {
    LocalModels {
        catalogue: Arc::new([LocalModel {
            id: "silent".to_owned(),
            display_name: "Silent".to_owned(),
            kind: ModelKind::Chat,
            context_length: 4_096,
            dimensions: None,
            licence: "Apache-2.0".to_owned(),
            installed: true,
            default: true,
        }]),
        ..LocalModels::absent()
    }
}

/// Believes the header `x-user`.
struct ByHeader;

#[async_trait]
impl Authenticator for ByHeader {
    async fn authenticate(&self, parts: &Parts) -> std::result::Result<Caller, ApiError> {
        let user = parts.headers.get("x-user").and_then(|value| value.to_str().ok());
        let user = user.and_then(|user| user.parse().ok());
        user.map(lyceum_testkit::caller).ok_or_else(|| ApiError::unauthenticated("no x-user"))
    }
}
