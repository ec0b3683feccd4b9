use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn what_is_known_of_a_model_is_told_and_not_entered() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    let base_url = "https://api.openai.com/v1";
    let provider = world.provider_of("ada", "openai", "OpenAI", base_url, json!({})).await;
    let path = format!("/api/v1/providers/{provider}/known-models");
    let known = async |query: &str| {
        let (status, known) =
            world.send("ada", "GET", &format!("{path}{query}"), Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{known}");
        known["items"].as_array().unwrap().clone()
    };
    let dated = known("?model=gpt-4o-2024-08-06").await;
    assert_eq!(dated.len(), 1, "{dated:?}");
    assert_eq!((&dated[0]["provider"], &dated[0]["model"]), (&json!("openai"), &json!("gpt-4o")));
    assert_eq!((&dated[0]["kind"], &dated[0]["context_length"]), (&json!("chat"), &json!(128_000)));
    assert_eq!(
        (&dated[0]["input_price"], &dated[0]["output_price"]),
        (&json!("2.5"), &json!("10"))
    );
    assert!(dated[0]["as_of"].as_str().unwrap().starts_with("20"), "{dated:?}");
    assert!(known("?model=somebodys-own").await.is_empty());
    let all = known("").await;
    assert!(all.len() > 20 && all.iter().all(|model| model["provider"] == "openai"), "{all:?}");

    // Nobody entered it, so nothing holds.
    let model = world.model("ada", &provider, "gpt-4o", "chat").await;
    let (_, model) =
        world.send("ada", "GET", &format!("/api/v1/models/{model}"), Value::Null).await;
    assert_eq!((model.get("input_price"), model.get("context_length")), (None, None), "{model}");

    let (status, _) = world.send("eve", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Whose models somebody else's server has is not known.
    let other = world.provider("ada", "mock").await;
    let path = format!("/api/v1/providers/{other}/known-models?model=gpt-4o");
    let (status, none) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!((status, none), (StatusCode::OK, json!({"items": []})));
}

#[tokio::test]
async fn models_that_are_added_at_once_may_bring_their_prices() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let path = format!("/api/v1/providers/{provider}/models");
    let body = json!({"models": [
        {"model": "ok", "kind": "chat", "input_price": "2.5", "output_price": 10,
         "cached_input_price": "1.25"},
        {"model": "embedder", "kind": "embedding", "embedding_price": "0.13"},
        {"model": "slow", "kind": "chat"}]});
    let (status, added) = world.send("ada", "POST", &path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    let items = added["items"].as_array().unwrap();
    let price = |model: &str, price: &str| {
        let model = items.iter().find(|item| item["model"] == model).unwrap();
        model[price].as_str().map(|price| price.parse::<f64>().unwrap())
    };
    assert_eq!(price("ok", "input_price"), Some(2.5));
    assert_eq!(price("ok", "output_price"), Some(10.0));
    assert_eq!(price("ok", "cached_input_price"), Some(1.25));
    assert_eq!(price("embedder", "embedding_price"), Some(0.13));
    assert_eq!(price("slow", "input_price"), None);
    let question = json!({"model": "ok", "messages": [{"role": "user", "content": "hi"}]});
    let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", question).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(world.ledger().await[0].cost.is_some());

    // A price that cannot be is a reason to refuse, as everything else.
    let body = json!({"models": [{"model": "cut", "kind": "chat", "input_price": "-1"}]});
    let (status, problem) = world.send("ada", "POST", &path, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["refused"][0]["code"], "invalid_field", "{problem}");
    assert!(problem["refused"][0]["detail"].as_str().unwrap().starts_with("input_price: "));
}
