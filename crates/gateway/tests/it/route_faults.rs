//! What a request at a route does when its targets fail, and what the ledger says of it.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::{Value, json};
use sqlx::FromRow;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::routes::{CHAT, ROUTES, question};
use crate::world::{World, events, text_of};

/// One attempt in the ledger.
#[derive(Debug, FromRow)]
pub struct AttemptRow {
    pub attempt: i16,
    pub requested_model: String,
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
        (self.attempt, &self.requested_model, self.error_code.as_deref().unwrap_or("ok"))
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
    async fn over(&self, models: &[&str], settings: Value) -> String {
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

    /// Asks with the header that names the target.
    async fn pinned(&self, target: &str, body: Value) -> Response {
        let request = Request::post(CHAT)
            .header(header::AUTHORIZATION, "Bearer ada")
            .header("x-lyceum-target", target)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }
}

async fn text(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is said in an answer, streamed or not.
fn said(body: &str, stream: bool) -> String {
    match stream {
        true => text_of(&events(&Value::String(body.to_owned()))),
        false => {
            let answer: Value = serde_json::from_str(body).unwrap();
            answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
        }
    }
}

const ANSWER: &str = "You said: one two three";

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
    ];
    for (model, code, estimated) in faults {
        let settings = json!({"retries": 0, "answer_timeout_ms": 300,
                              "first_token_timeout_ms": 300});
        world.over(&[model, "ok"], settings).await;
        for stream in [false, true] {
            if model == "refused" && !stream {
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
    let withheld = rows.iter().filter(|row| row.requested_model == "withheld");
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
async fn the_caller_may_name_the_target() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "ok", "chat").await;
    let second = world.model("ada", &provider, "slow", "chat").await;
    let broken = world.model("ada", &provider, "status-500", "chat").await;
    let other = world.model("ada", &provider, "think", "chat").await;
    let settings = json!({"retries": 1, "backoff_ms": 1});
    world.route("ada", "route", &[&first, &second, &broken], settings).await;
    for target in ["slow", second.as_str()] {
        for stream in [false, true] {
            let response = world.pinned(target, question("route", stream)).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-lyceum-served-model"], "slow");
            assert_eq!(said(&text(response).await, stream), ANSWER);
        }
    }
    // It is asked again, but no other is.
    let response = world.pinned("status-500", question("route", false)).await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(world.upstream.calls_of("status-500"), 2);
    // Nothing but a target of the route, nor anything but a model itself.
    for target in ["think", other.as_str(), "nothing"] {
        let response = world.pinned(target, question("route", false)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{target}");
    }
    let response = world.pinned("slow", question("ok", false)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = world.pinned("ok", question("ok", false)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(world.upstream.calls_of("think"), 0);
}

#[tokio::test]
async fn a_target_that_lacks_what_is_needed_is_passed_over() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "ok", "chat").await;
    let second = world.model("ada", &provider, "slow", "chat").await;
    let body = json!({"name": "route", "scope": "personal", "targets": [
        {"model_config_id": first, "tools": false, "images": false},
        {"model_config_id": second, "priority": 2, "images": false}]});
    let (status, route) = world.send("ada", "POST", ROUTES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{route}");
    let mut with_tools = question("route", false);
    with_tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let response = world.open("ada", "POST", CHAT, with_tools).await;
    assert_eq!(response.headers()["x-lyceum-served-model"], "slow");
    assert_eq!(response.headers()["x-lyceum-attempts"], "1");
    let response = world.open("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(response.headers()["x-lyceum-served-model"], "ok");
    let mut with_image = question("route", false);
    with_image["messages"][0]["content"] =
        json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]);
    let (status, problem) = world.send("ada", "POST", CHAT, with_image).await;
    assert_eq!(
        (status, &problem["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("route_incapable"))
    );
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

#[tokio::test]
async fn a_request_counts_once_and_its_tokens_as_spent() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    world
        .over(
            &["hang", "flaky-1", "ok"],
            json!({"retries": 1, "backoff_ms": 1, "answer_timeout_ms": 200}),
        )
        .await;
    let quota = format!("/api/v1/quotas/users/{ada}");
    let limits = json!({"max_api_calls": 1, "max_tokens": 100_000});
    let (status, view) = world.send("root", "PUT", &quota, limits).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let rate = format!("/api/v1/rate-limits/users/{ada}");
    let (status, _) = world.send("root", "PUT", &rate, json!({"requests_per_minute": 2})).await;
    assert_eq!(status, StatusCode::OK);
    let name = "over hang flaky-1 ok";
    let response = world.open("ada", "POST", CHAT, question(name, false)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-lyceum-attempts"], "3");
    assert_eq!(response.headers()["x-ratelimit-remaining-requests"], "1");
    let rows = world.attempts().await;
    let spent: i64 = world
        .number(
            "SELECT sum(prompt_tokens + completion_tokens)::bigint FROM gateway.usage_statistics",
        )
        .await;
    assert!(rows[0].prompt_tokens > 0 && rows[0].estimated, "{rows:?}");
    assert_eq!(world.number("SELECT used_tokens FROM identity.user_quotas").await, spent);
    assert_eq!(world.number("SELECT used_api_calls FROM identity.user_quotas").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_reservations").await, 0);
    // The quota holds for the next.
    let (status, problem) = world.send("ada", "POST", CHAT, question(name, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
    assert_eq!(problem["error"]["code"], "insufficient_quota");
    // Counted anew from the ledger it is the same.
    let (status, _) =
        world.send("root", "PUT", &quota, json!({"max_api_calls": 7, "max_tokens": 100_000})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(world.number("SELECT used_api_calls FROM identity.user_quotas").await, 1);
}

#[tokio::test]
async fn a_limit_of_one_model_leads_to_the_next() {
    let world = World::new().await;
    world.admin("root").await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "ok", "chat").await;
    let second = world.model("ada", &provider, "slow", "chat").await;
    world.route("ada", "route", &[&first, &second], json!({})).await;
    let rate = format!("/api/v1/rate-limits/models/{first}");
    let (status, view) = world.send("root", "PUT", &rate, json!({"requests_per_minute": 1})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    for served in ["ok", "slow"] {
        let response = world.open("ada", "POST", CHAT, question("route", false)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-served-model"], served);
        // The provider was asked once in either case.
        assert_eq!(response.headers()["x-lyceum-attempts"], "1");
    }
    assert_eq!(world.attempts().await.len(), 2);
}

#[tokio::test]
async fn a_grant_that_is_taken_back_meanwhile_is_gone_for_the_next_attempt() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let (provider, model) = world.shared("root", "house", "shared").await;
    world.give("root", &provider, ada).await;
    let own = world.provider("ada", "mock").await;
    let broken = world.model("ada", &own, "hang", "chat").await;
    let settings = json!({"retries": 0, "answer_timeout_ms": 1000});
    world.route("ada", "route", &[&broken, &model], settings).await;
    let asking = world.send("ada", "POST", CHAT, question("route", false));
    let revoking = async {
        world.upstream.wait_for(|upstream| upstream.calls_of("hang") == 1).await;
        let path = format!("/api/v1/providers/{provider}/distributions");
        let (_, list) = world.send("root", "GET", &path, Value::Null).await;
        let path = format!("{path}/{}", list["items"][0]["id"].as_str().unwrap());
        let (status, _) = world.send("root", "DELETE", &path, Value::Null).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    };
    let ((status, problem), ()) = tokio::join!(asking, revoking);
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT, "{problem}");
    assert_eq!(world.upstream.calls_of("ok"), 0);
}

#[tokio::test]
async fn whoever_goes_away_is_not_asked_for_any_more() {
    let world = World::new().await;
    world.user("ada").await;
    world.over(&["gated", "ok"], json!({"retries": 0})).await;
    let body = question("over gated ok", true);
    // Before the first token the route holds the answer back.
    let asking = world.open("ada", "POST", CHAT, body.clone());
    tokio::select! {
        _ = asking => panic!("the answer has begun"),
        () = world.upstream.wait_for(|upstream| upstream.open_streams() == 1) => {}
    }
    world.upstream.wait_for(|upstream| upstream.abandoned() == 1).await;
    let rows = world.attempts().await;
    assert_eq!((rows.len(), rows[0].status.as_str()), (1, "cancelled"));
    // With it, it goes through as it comes.
    world.upstream.release(1);
    let response = world.open("ada", "POST", CHAT, body).await;
    let mut pieces = response.into_body().into_data_stream();
    let piece = pieces.next().await.unwrap().unwrap();
    assert!(piece.starts_with(b"data: "));
    drop(pieces);
    world.upstream.wait_for(|upstream| upstream.abandoned() == 2).await;
    assert_eq!(world.upstream.calls_of("ok"), 0);
}
