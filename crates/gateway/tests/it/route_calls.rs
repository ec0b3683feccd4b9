//! Who is asked, and what a request at a route counts for.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::quotas::limit;
use crate::route_faults::{ANSWER, said, text};
use crate::routes::{CHAT, ROUTES, question};
use crate::world::World;

impl World {
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
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (name, tools) in [("tools", tools), ("functions", json!([{"name": "f"}]))] {
        let mut with_tools = question("route", false);
        with_tools[name] = tools;
        let response = world.open("ada", "POST", CHAT, with_tools).await;
        assert_eq!(response.headers()["x-lyceum-served-model"], "slow", "{name}");
        assert_eq!(response.headers()["x-lyceum-attempts"], "1", "{name}");
    }
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
    world.gateway.flush().await;
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_leases").await, 0);
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
async fn a_target_that_no_quota_of_costs_can_cover_leads_to_the_next() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let unpriced = world.model("ada", &provider, "ok", "chat").await;
    let priced = world.model("ada", &provider, "slow", "chat").await;
    let id = world.route("ada", "route", &[&unpriced, &priced], json!({"min_calls": 1})).await;
    world.route("ada", "alone", &[&unpriced], json!({})).await;
    let prices = json!({"input_price": "1", "output_price": "2"});
    world.change_model("ada", &priced, prices).await;
    limit(&world, "users", ada, json!({"max_cost": "10", "max_api_calls": 2})).await;
    let served = async || {
        let response = world.open("ada", "POST", CHAT, question("route", false)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-served-model"], "slow");
        assert_eq!(response.headers()["x-lyceum-attempts"], "1");
    };
    served().await;
    let (status, problem) = world.send("ada", "POST", CHAT, question("alone", false)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
    assert_eq!(problem["error"]["code"], "price_unknown");
    // What was refused took no call from the quota.
    served().await;
    assert_eq!(world.upstream.calls_of("ok"), 0);
    // Nor is it a failure of the target.
    let health = world.health(&id, 0).await;
    assert_eq!((&health["state"], &health["failures"]), (&json!("healthy"), &json!(0)), "{health}");
    assert_eq!(world.attempts().await.len(), 2);
}

#[tokio::test]
async fn a_limit_of_the_route_counts_its_requests() {
    let world = World::new().await;
    world.admin("root").await;
    world.user("ada").await;
    let id = world.over(&["flaky-1", "ok"], json!({"retries": 1, "backoff_ms": 1})).await;
    let rate = format!("/api/v1/rate-limits/models/{id}");
    let (status, view) = world.send("root", "PUT", &rate, json!({"requests_per_minute": 2})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let name = "over flaky-1 ok";
    for attempts in ["2", "1"] {
        let response = world.open("ada", "POST", CHAT, question(name, false)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-attempts"], attempts);
    }
    let (status, problem) = world.send("ada", "POST", CHAT, question(name, false)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{problem}");
    assert_eq!(world.upstream.calls(), 3);
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

#[tokio::test]
async fn a_built_in_model_behind_a_route_ends_its_answer() {
    let world = World::new().await;
    world.user("ada").await;
    let (_, models) = world.send("ada", "GET", "/api/v1/models", Value::Null).await;
    let models = models["items"].as_array().unwrap();
    let local = models.iter().find(|model| model["name"] == "local-chat").unwrap();
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "status-500", "chat").await;
    let local = local["id"].as_str().unwrap();
    world.route("ada", "route", &[&broken, local], json!({"retries": 0})).await;
    for (limit, sent) in [(None, 2048), (Some(7), 7)] {
        let mut body = question("route", false);
        if let Some(limit) = limit {
            body["max_tokens"] = json!(limit);
        }
        let (status, answer) = world.send("ada", "POST", CHAT, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let asked = world.upstream.requests().pop().unwrap().body;
        assert_eq!((&asked["model"], &asked["max_tokens"]), (&json!("local-chat"), &json!(sent)));
    }
}
