//! Routes as objects: making, sharing, changing, deleting, and what their names stand for.

use axum::http::StatusCode;
use futures::StreamExt as _;
use lyceum_core::Problem as _;
use lyceum_gateway::{CallContext, Purpose};
use lyceum_llm::{ChatEvent, ChatMessage, ChatRequest, Role};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{KEY, World};

pub const ROUTES: &str = "/api/v1/model-routes";
pub const CHAT: &str = "/v1/chat/completions";

pub fn question(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream,
           "messages": [{"role": "user", "content": "one two three"}]})
}

impl World {
    /// A personal route of `who` over these models, the first asked first; its id.
    pub async fn route(&self, who: &str, name: &str, models: &[&str], settings: Value) -> String {
        let targets = models
            .iter()
            .enumerate()
            .map(|(index, model)| json!({"model_config_id": model, "priority": index + 1}));
        let body = json!({"name": name, "scope": "personal", "settings": settings,
                          "targets": targets.collect::<Vec<_>>()});
        let (status, route) = self.send(who, "POST", ROUTES, body).await;
        assert_eq!(status, StatusCode::CREATED, "{route}");
        route["id"].as_str().unwrap().to_owned()
    }

    /// A provider of the organisation and its model `ok` under the name `model`; their ids.
    pub async fn shared(&self, admin: &str, name: &str, model: &str) -> (String, String) {
        let body = json!({"provider": "custom", "name": name, "scope": "organization",
            "audience": "selected", "base_url": self.upstream.base_url, "api_key": KEY});
        let (status, provider) = self.send(admin, "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::CREATED, "{provider}");
        let provider = provider["id"].as_str().unwrap().to_owned();
        let body = json!({"provider_config_id": provider, "name": model, "model": "ok",
                          "kind": "chat"});
        let (status, view) = self.send(admin, "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        (provider, view["id"].as_str().unwrap().to_owned())
    }

    /// Gives a provider of the organisation to one person.
    pub async fn give(&self, admin: &str, provider: &str, user: Uuid) {
        let path = format!("/api/v1/providers/{provider}/distributions");
        let (status, given) = self.send(admin, "POST", &path, json!({"user_ids": [user]})).await;
        assert_eq!(status, StatusCode::OK, "{given}");
    }
}

#[tokio::test]
async fn a_route_is_made_read_changed_and_deleted() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "ok", "chat").await;
    let second = world.model("ada", &provider, "slow", "chat").await;
    let id = world.route("ada", "best", &[&first], json!({})).await;
    let path = format!("{ROUTES}/{id}");

    let (status, route) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&route["name"], &route["kind"], &route["scope"]),
        (&json!("best"), &json!("chat"), &json!("personal"))
    );
    assert_eq!((&route["available"], &route["editable"]), (&json!(true), &json!(true)));
    assert_eq!(route["targets"][0]["name"], "ok");
    let defaults = json!({"retries": 1, "backoff_ms": 250, "wait_budget_ms": 5000,
        "fallback_on": ["error", "timeout", "rate_limit", "context_length", "content_policy"],
        "failure_percent": 50, "min_calls": 5, "window_ms": 60000, "cooldown_ms": 30000});
    assert_eq!(route["settings"], defaults);

    let change = json!({"name": "better", "description": "For everything.",
        "settings": {"retries": 3, "fallback_on": ["timeout"]},
        "targets": [{"model_config_id": second, "priority": 1, "weight": 7, "tools": false},
                    {"model_config_id": first, "priority": 2}]});
    let (status, route) = world.send("ada", "PATCH", &path, change).await;
    assert_eq!(status, StatusCode::OK, "{route}");
    let names: Vec<&Value> =
        route["targets"].as_array().unwrap().iter().map(|target| &target["name"]).collect();
    assert_eq!(names, [&json!("slow"), &json!("ok")]);
    assert_eq!(
        (&route["targets"][0]["weight"], &route["targets"][0]["tools"]),
        (&json!(7), &json!(false))
    );
    assert_eq!(
        (&route["settings"]["retries"], &route["settings"]["cooldown_ms"]),
        (&json!(3), &json!(30000))
    );
    assert_eq!(route["settings"]["fallback_on"], json!(["timeout"]));

    // Its name is its own, and it is known by no other.
    let (status, _) = world.send("ada", "POST", CHAT, question("better", false)).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = world.send("ada", "POST", CHAT, question("best", false)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    let (status, _) = world.send("ada", "DELETE", &path, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null), ("PATCH", json!({}))] {
        let (status, _) = world.send("ada", method, &path, body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method}");
    }
    let (status, _) = world.send("ada", "POST", CHAT, question("better", false)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // The name is free again.
    world.route("ada", "better", &[&first], json!({})).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("bob").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let other = world.model("ada", &provider, "embedder", "embedding").await;
    let route = world.route("ada", "route", &[&model], json!({})).await;
    let foreign = world.provider("bob", "bobs").await;
    let foreign = world.model("bob", &foreign, "ok", "chat").await;
    let target = |id: &str| json!([{ "model_config_id": id }]);
    let make = |targets: Value, settings: Value| json!({"name": "new", "scope": "personal", "targets": targets, "settings": settings});
    let both = json!([{"model_config_id": model}, {"model_config_id": other}]);
    let twice = json!([{"model_config_id": model}, {"model_config_id": model}]);
    for (body, status, field) in [
        (make(json!([]), json!({})), 422, "targets"),
        (make(both, json!({})), 422, "targets"),
        (make(twice, json!({})), 422, "targets"),
        (make(target(&route), json!({})), 422, "targets"),
        (make(target(&model), json!({"retries": 9})), 422, "retries"),
        (make(target(&model), json!({"window_ms": 1})), 422, "window_ms"),
        (make(json!([{"model_config_id": model, "weight": 0}]), json!({})), 422, "weight"),
        (make(target(&foreign), json!({})), 404, ""),
        (make(target(&Uuid::nil().to_string()), json!({})), 404, ""),
    ] {
        let (answered, problem) = world.send("ada", "POST", ROUTES, body.clone()).await;
        assert_eq!(answered.as_u16(), status, "{body}: {problem}");
        assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{body}: {problem}");
    }
    // A model has the name.
    let taken = json!({"name": "OK", "scope": "personal", "targets": target(&model)});
    let (status, problem) = world.send("ada", "POST", ROUTES, taken).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("name_taken")));
    // A route has no model's settings, and is no model's to delete.
    let path = format!("/api/v1/models/{route}");
    let (status, _) = world.send("ada", "PATCH", &path, json!({"max_tokens": 5})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = world.send("ada", "DELETE", &path, Value::Null).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    // It cannot be set up as a provider, nor is it listed as one.
    let body =
        json!({"provider": "route", "name": "x", "scope": "personal", "base_url": "http://x"});
    let (status, _) = world.send("ada", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_persons_route_is_theirs_alone() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("bob").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let id = world.route("ada", "mine", &[&model], json!({})).await;
    for who in ["bob", "root"] {
        for (method, path, body) in [
            ("GET", format!("{ROUTES}/{id}"), Value::Null),
            ("GET", format!("{ROUTES}/{id}/health"), Value::Null),
            ("PATCH", format!("{ROUTES}/{id}"), json!({"name": "theirs"})),
            ("DELETE", format!("{ROUTES}/{id}"), Value::Null),
            ("GET", format!("/api/v1/models/{id}"), Value::Null),
        ] {
            let (status, _) = world.send(who, method, &path, body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{who} {method} {path}");
        }
        let (_, list) = world.send(who, "GET", ROUTES, Value::Null).await;
        assert_eq!(list["items"], json!([]), "{who}");
        for name in ["mine", id.as_str()] {
            let (status, _) = world.send(who, "POST", CHAT, question(name, false)).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{who}");
        }
    }
    assert_eq!(world.upstream.calls(), 0);
}

#[tokio::test]
async fn the_organisations_routes_lead_everyone_to_what_they_may_use() {
    let world = World::new().await;
    world.admin("root").await;
    let (ada, _bob) = (world.user("ada").await, world.user("bob").await);
    let (first, alpha) = world.shared("root", "one", "alpha").await;
    let (second, beta) = world.shared("root", "two", "beta").await;
    let body = json!({"name": "house", "scope": "organization", "targets": [
        {"model_config_id": alpha, "priority": 1}, {"model_config_id": beta, "priority": 2}]});
    let (status, refused) = world.send("ada", "POST", ROUTES, body.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{refused}");
    let (status, route) = world.send("root", "POST", ROUTES, body).await;
    assert_eq!(status, StatusCode::CREATED, "{route}");
    let id = route["id"].as_str().unwrap().to_owned();
    let path = format!("{ROUTES}/{id}");

    // Whom nothing behind it is given does not see it.
    let (status, _) = world.send("bob", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = world.send("bob", "POST", CHAT, question("house", false)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, models) = world.send("bob", "GET", "/v1/models", Value::Null).await;
    assert!(!models.to_string().contains("house"), "{models}");
    let (_, models) = world.send("bob", "GET", "/api/v1/models", Value::Null).await;
    assert!(!models.to_string().contains("house"), "{models}");

    world.give("root", &second, ada).await;
    let (status, route) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&route["editable"], &route["available"]), (&json!(false), &json!(true)));
    // Of the others not even the names.
    let names: Vec<&Value> =
        route["targets"].as_array().unwrap().iter().map(|target| &target["name"]).collect();
    assert_eq!(names, [&json!("beta")]);
    let (_, health) = world.send("ada", "GET", &format!("{path}/health"), Value::Null).await;
    assert_eq!(health["items"].as_array().unwrap().len(), 1, "{health}");
    let response = world.open("ada", "POST", CHAT, question("house", false)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-lyceum-requested-model"], "house");
    let rows = world.attempts().await;
    assert_eq!(rows.last().unwrap().model_config_id.to_string(), beta, "{rows:?}");
    let (_, models) = world.send("ada", "GET", "/v1/models", Value::Null).await;
    let ids: Vec<&Value> =
        models["data"].as_array().unwrap().iter().map(|model| &model["id"]).collect();
    assert!(ids.contains(&&json!("house")) && !ids.contains(&&json!("alpha")), "{ids:?}");

    // To change it takes the right; whoever has the other target gets that one first.
    for (method, body) in [("PATCH", json!({"name": "hers"})), ("DELETE", Value::Null)] {
        let (status, _) = world.send("ada", method, &path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method}");
    }
    world.give("root", &first, ada).await;
    let (status, _) = world.send("ada", "POST", CHAT, question("house", false)).await;
    assert_eq!(status, StatusCode::OK);
    let rows = world.attempts().await;
    assert_eq!(rows.last().unwrap().model_config_id.to_string(), alpha);

    // A personal model is nothing for everybody.
    let own = world.provider("root", "own").await;
    let own = world.model("root", &own, "slow", "chat").await;
    let change = json!({"targets": [{"model_config_id": own}]});
    let (status, _) = world.send("root", "PATCH", &path, change).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn routes_are_listed_page_by_page() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    for number in 0..5 {
        world.route("ada", &format!("route {number}"), &[&model], json!({})).await;
    }
    let mut names = Vec::new();
    let mut path = format!("{ROUTES}?limit=2");
    loop {
        let (status, page) = world.send("ada", "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{ROUTES}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["route 4", "route 3", "route 2", "route 1", "route 0"]);
    let (status, _) = world.send("ada", "GET", &format!("{ROUTES}?cursor=x"), Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_deleted_target_is_passed_over() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let first = world.model("ada", &provider, "slow", "chat").await;
    let second = world.model("ada", &provider, "ok", "chat").await;
    let id = world.route("ada", "route", &[&first, &second], json!({})).await;
    let (status, _) =
        world.send("ada", "DELETE", &format!("/api/v1/models/{first}"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = world.send("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((world.upstream.calls_of("slow"), world.upstream.calls_of("ok")), (0, 1));
    let (_, route) = world.send("ada", "GET", &format!("{ROUTES}/{id}"), Value::Null).await;
    assert_eq!(route["targets"].as_array().unwrap().len(), 1);
    // With the last of them the route is gone for those who ask.
    let (status, _) =
        world.send("ada", "DELETE", &format!("/api/v1/models/{second}"), Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, problem) = world.send("ada", "POST", CHAT, question("route", false)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    let (_, models) = world.send("ada", "GET", "/v1/models", Value::Null).await;
    assert!(!models.to_string().contains("route"), "{models}");
}

#[tokio::test]
async fn conversations_and_defaults_take_a_route_for_a_model() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "status-500", "chat").await;
    let good = world.model("ada", &provider, "ok", "chat").await;
    let id = world.route("ada", "route", &[&broken, &good], json!({"retries": 0})).await;
    let path = format!("/api/v1/models/{id}");
    let (status, model) = world.send("ada", "PATCH", &path, json!({"is_default": true})).await;
    assert_eq!(status, StatusCode::OK, "{model}");
    assert_eq!((&model["provider"], &model["is_default"]), (&json!("route"), &json!(true)));
    assert_eq!((&model["editable"], &model["scope"]), (&json!(false), &json!("personal")));

    let model = world.gateway.resolve_chat_model(ada, None).await.unwrap();
    assert_eq!(model.id.to_string(), id);
    let context = CallContext::new(ada, Purpose::Chat);
    let request_id = context.request_id;
    let request = ChatRequest::new("", vec![ChatMessage::text(Role::User, "one two three")]);
    let mut stream = world.gateway.chat(context, &model, request).await.unwrap();
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        if let ChatEvent::Text(more) = event.unwrap() {
            text.push_str(&more);
        }
    }
    assert_eq!(text, "You said: one two three");
    // What the conversation is told of the call is told of the one that answered.
    let record = world.gateway.call_record(ada, request_id).await.unwrap().unwrap();
    assert_eq!((record.model.as_str(), record.status.as_str()), ("ok", "completed"));
    assert_eq!(world.attempts().await.len(), 2);

    // A route is no model of the other kind.
    let wrong = world.gateway.embedding_model(ada, "route").await;
    assert_eq!(wrong.err().unwrap().code(), "wrong_model_kind");
}
