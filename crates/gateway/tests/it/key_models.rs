//! API keys that are limited to models.

use axum::body::to_bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::said::{COMPLETIONS, MESSAGES, RESPONSES, question};
use crate::world::World;

const CHAT: &str = "/v1/chat/completions";
const COUNT: &str = "/v1/messages/count_tokens";
const EMBEDDINGS: &str = "/v1/embeddings";

/// A question on each surface, to the model `chat`, or for vectors to `embedding`.
fn questions(chat: &str, embedding: &str) -> Vec<(&'static str, Value)> {
    let surfaces = [CHAT, RESPONSES, COMPLETIONS, MESSAGES, COUNT];
    let mut all = surfaces.map(|surface| (surface, question(surface, chat, false))).to_vec();
    all.push((EMBEDDINGS, json!({"model": embedding, "input": "one"})));
    all
}

/// Status and code of the answer to a question to a model by this name.
async fn asked(world: &World, who: &str, model: &str) -> (u16, Value) {
    let (status, answer) = world.send(who, "POST", CHAT, question(CHAT, model, false)).await;
    (status.as_u16(), answer["error"]["code"].clone())
}

#[tokio::test]
async fn every_surface_refuses_what_the_key_is_not_limited_to() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let id = world.model("ada", &provider, "ok", "chat").await;
    let embeds = world.model("ada", &provider, "embedder", "embedding").await;
    world.key(ada, "key").await;
    world.limit_models("key", &["local-chat", "local-embedding"]);
    // By name, by id, and what nobody has: whether it is there is not told.
    for (chat, embedding) in
        [("ok", "embedder"), (id.as_str(), embeds.as_str()), ("gpt-9", "gpt-9")]
    {
        for (surface, body) in questions(chat, embedding) {
            let (status, answer) = world.send("key", "POST", surface, body.clone()).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{surface} {answer}");
            let error = &answer["error"];
            assert_eq!(error["code"], "model_not_allowed", "{surface} {answer}");
            assert_eq!(error["type"], "permission_error", "{surface} {answer}");
            let named = body["model"].as_str().unwrap();
            let message = format!(
                "This API key may not call '{named}': it is limited to local-chat, \
                 local-embedding. Name one of these, or have the key's owner add the model."
            );
            assert_eq!(error["message"], message, "{surface}");
        }
    }
    assert!(world.ledger().await.is_empty());
    assert_eq!(world.upstream.calls(), 0);
    for (surface, body) in questions("local-chat", "local-embedding") {
        let (status, answer) = world.send("key", "POST", surface, body).await;
        assert_eq!(status, StatusCode::OK, "{surface} {answer}");
    }
    // The limit is the key's, not its owner's; and it may be another one a moment later.
    assert_eq!(asked(&world, "ada", "ok").await, (200, Value::Null));
    world.limit_models("key", &["ok"]);
    assert_eq!(asked(&world, "key", "ok").await, (200, Value::Null));
    assert_eq!(asked(&world, "key", &id).await, (200, Value::Null));
    assert_eq!(asked(&world, "key", "local-chat").await, (403, json!("model_not_allowed")));
}

#[tokio::test]
async fn the_list_has_only_the_models_that_the_key_is_limited_to() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    world.key(ada, "key").await;
    world.limit_models("key", &["ok", "not there yet"]);
    let (_, list) = world.send("key", "GET", "/v1/models", Value::Null).await;
    let names = |list: &Value| -> Vec<String> {
        let models = list["data"].as_array().unwrap().iter();
        models.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&list), ["ok"]);
    let response = world.open_as_anthropic("key", "/v1/models").await;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(names(&serde_json::from_slice(&bytes).unwrap()), ["ok"]);
    let (status, _) = world.send("key", "GET", "/v1/models/ok", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let (status, none) = world.send("key", "GET", "/v1/models/local-chat", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(none["error"]["code"], "model_not_found");

    // A name that nothing has yet is told to be missing, and counts once something has it.
    assert_eq!(asked(&world, "key", "not there yet").await, (404, json!("model_not_found")));
    let body = json!({"provider_config_id": provider, "name": "not there yet", "model": "ok",
                      "kind": "chat"});
    let (status, made) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(asked(&world, "key", "not there yet").await, (200, Value::Null));
}

#[tokio::test]
async fn of_a_route_its_own_name_counts() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let broken = world.model("ada", &provider, "status-500", "chat").await;
    let good = world.model("ada", &provider, "ok", "chat").await;
    world.route("ada", "best", &[&broken, &good], json!({"retries": 0})).await;
    world.key(ada, "key").await;
    world.limit_models("key", &["best"]);
    assert_eq!(asked(&world, "key", "best").await, (200, Value::Null));
    assert_eq!(asked(&world, "key", "ok").await, (403, json!("model_not_allowed")));
    world.limit_models("key", &["ok"]);
    assert_eq!(asked(&world, "key", "best").await, (403, json!("model_not_allowed")));
    let attempts: Vec<_> = world.ledger().await.into_iter().map(|row| row.status).collect();
    assert_eq!(attempts, ["failed", "completed"]);
}

#[tokio::test]
async fn of_two_models_with_one_name_at_the_provider_the_allowed_one_answers() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for name in ["cheap", "dear"] {
        let body = json!({"provider_config_id": provider, "name": name, "model": "ok",
                          "kind": "chat"});
        let (status, made) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
    }
    world.key(ada, "key").await;
    for name in ["cheap", "dear"] {
        world.limit_models("key", &[name]);
        assert_eq!(asked(&world, "key", "ok").await, (200, Value::Null));
        assert_eq!(world.ledger().await.pop().unwrap().model, name);
    }
}
