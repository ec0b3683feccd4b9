//! What a request at a route does when its targets fail, and what the ledger says of it.

use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use crate::routes::{CHAT, ROUTES, question};
use crate::world::{World, events, text_of};

/// One attempt in the ledger.
#[derive(Debug, FromRow)]
pub struct AttemptRow {
    pub attempt: i16,
    pub requested_model: String,
    pub served_model: String,
    pub model_config_id: Uuid,
    pub status: String,
    pub error_code: Option<String>,
    pub route: Option<String>,
    pub route_id: Option<Uuid>,
    pub request_id: Uuid,
    pub prompt_tokens: i64,
    pub estimated: bool,
}

impl AttemptRow {
    fn short(&self) -> (i16, &str, &str) {
        (self.attempt, &self.served_model, self.error_code.as_deref().unwrap_or("ok"))
    }
}

impl World {
    /// All calls in the ledger, in order, once everything is written.
    pub async fn attempts(&self) -> Vec<AttemptRow> {
        self.gateway.flush().await;
        let mut tx = self.test.db.begin_maintenance().await.unwrap();
        sqlx::query_as("SELECT * FROM gateway.usage_statistics ORDER BY created_at, id")
            .fetch_all(&mut *tx)
            .await
            .unwrap()
    }

    /// A route over models of Ada's at one provider, by the upstream's names.
    pub async fn over(&self, models: &[&str], settings: Value) -> String {
        let unique = lyceum_core::new_id();
        let provider = self.provider("ada", &format!("mock {unique}")).await;
        let mut ids = Vec::new();
        for model in models {
            let body = json!({"provider_config_id": provider, "name": format!("{model} {unique}"),
                              "model": model, "kind": "chat"});
            let (status, view) = self.send("ada", "POST", "/api/v1/models", body).await;
            assert_eq!(status, StatusCode::CREATED, "{view}");
            ids.push(view["id"].as_str().unwrap().to_owned());
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let name = format!("over {}", models.join(" "));
        self.route("ada", &name, &ids, settings).await
    }
}

pub async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is said in an answer, streamed or not.
pub fn said(body: &str, stream: bool) -> String {
    match stream {
        true => text_of(&events(&Value::String(body.to_owned()))),
        false => {
            let answer: Value = serde_json::from_str(body).unwrap();
            answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
        }
    }
}

pub const ANSWER: &str = "You said: one two three";

#[tokio::test]
async fn a_target_is_asked_again_before_the_next_one_is() {
    let world = World::new().await;
    world.user("ada").await;
    for (stream, model) in [(false, "flaky-2"), (true, "flaky-3")] {
        let settings = json!({"retries": 3, "backoff_ms": 5});
        let id = world.over(&[model, "ok"], settings).await;
        let name = format!("over {model} ok");
        let response = world.open("ada", "POST", CHAT, question(&name, stream)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let failures = if stream { 3 } else { 2 };
        let headers = response.headers().clone();
        assert_eq!(headers["x-lyceum-requested-model"], name);
        assert_eq!(headers["x-lyceum-served-model"], model);
        assert_eq!(headers["x-lyceum-served-provider"], "custom");
        assert_eq!(headers["x-lyceum-attempts"], (failures + 1).to_string());
        assert_eq!(said(&text(response).await, stream), ANSWER);
        assert_eq!(world.upstream.calls_of("ok"), 0);

        let rows = world.attempts().await;
        let rows = &rows[rows.len() - failures - 1..];
        for (index, row) in rows.iter().enumerate() {
            let code = if index < failures { "provider_failed" } else { "ok" };
            assert_eq!(row.short(), (index as i16 + 1, model, code), "{rows:?}");
            assert_eq!(row.requested_model, name);
            assert_eq!(row.request_id, rows[0].request_id);
            assert_eq!(row.request_id.to_string(), headers["x-request-id"].to_str().unwrap());
            let route = row.route_id.map(|id| id.to_string());
            assert_eq!((route.as_ref(), row.route.as_ref()), (Some(&id), Some(&name)));
        }
    }
}

#[tokio::test]
async fn each_fault_leads_to_the_next_target() {
    let world = World::new().await;
    world.user("ada").await;
    // model, error code in the ledger, whether tokens may have been used
    let faults = [
        ("status-500", "provider_failed", false),
        ("status-503", "provider_failed", false),
        ("status-429", "provider_rate_limited", false),
        ("status-401", "provider_unauthorized", false),
        ("status-404", "provider_unknown_model", false),
        ("garbage", "provider_malformed", true),
        ("context-length", "context_length_exceeded", false),
        ("content-policy", "content_policy", false),
        ("withheld", "content_policy", false),
        ("hang", "provider_timeout", true),
        ("refused", "provider_failed", false),
        ("refused-1302", "provider_rate_limited", false),
    ];
    for (model, code, estimated) in faults {
        let settings = json!({"retries": 0, "answer_timeout_ms": 300,
                              "first_token_timeout_ms": 300});
        world.over(&[model, "ok"], settings).await;
        for stream in [false, true] {
            if model.starts_with("refused") && !stream {
                continue;
            }
            let name = format!("over {model} ok");
            let response = world.open("ada", "POST", CHAT, question(&name, stream)).await;
            assert_eq!(response.status(), StatusCode::OK, "{model} {stream}");
            assert_eq!(response.headers()["x-lyceum-attempts"], "2", "{model} {stream}");
            assert_eq!(response.headers()["x-lyceum-served-model"], "ok", "{model} {stream}");
            assert_eq!(said(&text(response).await, stream), ANSWER, "{model} {stream}");
            let rows = world.attempts().await;
            let [failed, answered] = &rows[rows.len() - 2..] else { panic!("{rows:?}") };
            assert_eq!(failed.short(), (1, model, code), "{model} {stream}");
            assert_eq!(answered.short(), (2, "ok", "ok"), "{model} {stream}");
            assert_eq!(failed.estimated, estimated, "{failed:?}");
            assert_eq!(failed.status, "failed");
        }
    }
    // What a provider counted before it withheld its answer was spent.
    let rows = world.attempts().await;
    let withheld = rows.iter().filter(|row| row.served_model == "withheld");
    assert!(withheld.clone().all(|row| row.prompt_tokens == 3), "{rows:?}");
    assert_eq!(withheld.count(), 2);
}

#[tokio::test]
async fn other_protocols_fall_back_too_and_others_can_be_fallen_back_to() {
    let world = World::new().await;
    world.user("ada").await;
    let settings = json!({"retries": 0, "answer_timeout_ms": 300, "first_token_timeout_ms": 300});
    let anthropic =
        world.provider_of("ada", "anthropic", "claude", &world.upstream.origin, json!({})).await;
    let openai = world.provider("ada", "openai").await;
    for (model, provider, other) in [
        ("status-500", &anthropic, &openai),
        ("hang", &anthropic, &openai),
        ("refused", &anthropic, &openai),
        ("status-502", &openai, &anthropic),
        // Cut in the middle: of an answer in one piece nothing has reached the caller yet.
        ("cut", &anthropic, &openai),
    ] {
        let name = format!("{model} first");
        let broken = world.model("ada", provider, model, "chat").await;
        let body = json!({"provider_config_id": other, "name": format!("good after {model}"),
                          "model": "ok", "kind": "chat"});
        let (_, good) = world.send("ada", "POST", "/api/v1/models", body).await;
        let good = good["id"].as_str().unwrap();
        world.route("ada", &name, &[&broken, good], settings.clone()).await;
        for stream in [false, true] {
            if model == "cut" && stream {
                continue;
            }
            let response = world.open("ada", "POST", CHAT, question(&name, stream)).await;
            assert_eq!(response.status(), StatusCode::OK, "{model} {stream}");
            assert_eq!(response.headers()["x-lyceum-attempts"], "2", "{model} {stream}");
            assert_eq!(said(&text(response).await, stream), ANSWER, "{model} {stream}");
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_again_once_the_caller_has_a_token() {
    let world = World::new().await;
    world.user("ada").await;
    for model in ["stall", "stream-error", "half-frame", "malformed"] {
        let settings = json!({"retries": 3, "backoff_ms": 1, "first_token_timeout_ms": 5000});
        world.over(&[model, "ok"], settings).await;
        let name = format!("over {model} ok");
        let (status, stream) = world.send("ada", "POST", CHAT, question(&name, true)).await;
        assert_eq!(status, StatusCode::OK, "{model}");
        let events = events(&stream);
        assert_eq!(text_of(&events), "You said: ", "{model}");
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert!(last["error"].is_object(), "{model}: {last}");
        assert_eq!(world.upstream.calls_of(model), 1, "{model}");
        let rows = world.attempts().await;
        assert_eq!(rows.last().unwrap().short().0, 1, "{rows:?}");
    }
    assert_eq!(world.upstream.calls_of("ok"), 0);
}

#[tokio::test]
async fn what_the_request_is_at_fault_for_is_not_tried_elsewhere() {
    let world = World::new().await;
    world.user("ada").await;
    world.over(&["status-400", "ok"], json!({"retries": 3, "backoff_ms": 1})).await;
    let (status, problem) =
        world.send("ada", "POST", CHAT, question("over status-400 ok", false)).await;
    assert_eq!(
        (status, &problem["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("provider_rejected"))
    );
    assert_eq!((world.upstream.calls_of("status-400"), world.upstream.calls_of("ok")), (1, 0));
}

#[tokio::test]
async fn only_what_the_settings_name_is_followed_up() {
    let world = World::new().await;
    world.user("ada").await;
    for (model, status) in [("content-policy", 400), ("status-500", 502)] {
        let settings = json!({"retries": 0, "fallback_on": ["timeout"]});
        world.over(&[model, "ok"], settings).await;
        let name = format!("over {model} ok");
        let (answered, problem) = world.send("ada", "POST", CHAT, question(&name, false)).await;
        assert_eq!(answered.as_u16(), status, "{problem}");
    }
    assert_eq!(world.upstream.calls_of("ok"), 0);
}

#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_unless_it_is_too_long() {
    let world = World::new().await;
    world.user("ada").await;
    // Both say Retry-After: 1.
    let settings = |budget: u32| json!({"retries": 2, "backoff_ms": 1, "wait_budget_ms": budget});
    world.over(&["limited-1", "ok"], settings(3000)).await;
    let began = std::time::Instant::now();
    let (status, _) = world.send("ada", "POST", CHAT, question("over limited-1 ok", false)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(began.elapsed().as_millis() >= 1000);
    assert_eq!((world.upstream.calls_of("limited-1"), world.upstream.calls_of("ok")), (2, 0));

    let id = world.over(&["limited-9", "ok"], settings(900)).await;
    let (status, _) = world.send("ada", "POST", CHAT, question("over limited-9 ok", false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((world.upstream.calls_of("limited-9"), world.upstream.calls_of("ok")), (1, 1));
    // And it is left alone for as long as it asked.
    let (_, health) = world.send("ada", "GET", &format!("{ROUTES}/{id}/health"), Value::Null).await;
    assert_eq!(health["items"][0]["state"], "cooling", "{health}");
}

#[tokio::test]
async fn a_limit_that_comes_inside_of_a_stream_is_one_like_any_other() {
    let world = World::new().await;
    world.user("ada").await;
    for model in ["refused-1302", "refused-rate_limit_reached_error"] {
        let settings = json!({"retries": 0, "fallback_on": ["rate_limit"],
                              "min_calls": 1, "cooldown_ms": 60_000});
        let id = world.over(&[model, "ok"], settings.clone()).await;
        let name = format!("over {model} ok");
        let response = world.open("ada", "POST", CHAT, question(&name, true)).await;
        assert_eq!(response.status(), StatusCode::OK, "{model}");
        assert_eq!(response.headers()["x-lyceum-attempts"], "2", "{model}");
        assert_eq!(said(&text(response).await, true), ANSWER, "{model}");
        assert_eq!(world.health(&id, 0).await["state"], "cooling", "{model}");
        // Where nobody else is left, the caller hears of the limit.
        world.over(&[model], settings).await;
        let name = format!("over {model}");
        let (status, problem) = world.send("ada", "POST", CHAT, question(&name, true)).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
        assert_eq!(problem["error"]["code"], "provider_rate_limited", "{problem}");
        assert_eq!(problem["error"]["type"], "rate_limit_error", "{problem}");
    }
}

#[tokio::test]
async fn where_all_fail_the_last_one_is_told_of() {
    let world = World::new().await;
    world.user("ada").await;
    let settings = json!({"retries": 1, "backoff_ms": 1, "wait_budget_ms": 50});
    world.over(&["status-500", "status-429"], settings).await;
    let name = "over status-500 status-429";
    let (status, problem) = world.send("ada", "POST", CHAT, question(name, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
    let (failed, limited) = ("provider_failed", "provider_rate_limited");
    assert_eq!(problem["error"]["code"], limited);
    let rows = world.attempts().await;
    let short: Vec<_> = rows.iter().map(AttemptRow::short).collect();
    let expected =
        [(1, "status-500", failed), (2, "status-500", failed), (3, "status-429", limited)];
    assert_eq!(short, expected);
    // The second target rests from now on, as it asked: the first one is all there is.
    let (status, problem) = world.send("ada", "POST", CHAT, question(name, true)).await;
    assert_eq!((status, &problem["error"]["code"]), (StatusCode::BAD_GATEWAY, &json!(failed)));
    assert_eq!(world.upstream.calls_of("status-429"), 1);
}

#[tokio::test]
async fn too_long_a_prompt_goes_to_a_longer_context_only() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let mut ids = Vec::new();
    for (name, model, length) in
        [("small", "context-length", 1000), ("smaller", "think", 500), ("large", "ok", 9000)]
    {
        let body = json!({"provider_config_id": provider, "name": name, "model": model,
                          "kind": "chat", "context_length": length});
        let (_, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        ids.push(view["id"].as_str().unwrap().to_owned());
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    world.route("ada", "route", &ids, json!({})).await;
    let response = world.open("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-lyceum-served-model"], "ok");
    assert_eq!(world.upstream.calls_of("think"), 0);
}

#[tokio::test]
async fn embeddings_have_routes_as_well() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "status-500", "embedding").await;
    let good = world.model("ada", &provider, "embedder", "embedding").await;
    world.route("ada", "vectors", &[&broken, &good], json!({"retries": 0})).await;
    let body = json!({"model": "vectors", "input": ["one", "two words"]});
    let response = world.open("ada", "POST", "/v1/embeddings", body).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-lyceum-attempts"], "2");
    let rows = world.attempts().await;
    let short: Vec<_> = rows.iter().map(AttemptRow::short).collect();
    assert_eq!(short, [(1, "status-500", "provider_failed"), (2, "embedder", "ok")]);
    let (status, _) = world.send("ada", "POST", CHAT, question("vectors", false)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
