//! Prices by the length of the prompt.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::quotas::limit;
use crate::world::World;

const CHAT: &str = "/v1/chat/completions";

async fn ask(world: &World, words: usize) -> StatusCode {
    let content = vec!["word"; words].join(" ");
    let body = json!({"model": "Mine", "messages": [{"role": "user", "content": content}]});
    world.send("ada", "POST", CHAT, body).await.0
}

/// A model "Mine" of three tokens an answer, with more said of it; answers with what is shown of it.
async fn mine(world: &World, more: Value) -> Value {
    let provider = world.provider("ada", "mock").await;
    let mut body = json!({"provider_config_id": provider, "name": "Mine", "model": "ok",
        "kind": "chat", "max_tokens": 3});
    body.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    view
}

fn path_of(model: &Value) -> String {
    format!("/api/v1/models/{}", model["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_call_with_a_long_prompt_costs_what_its_tier_says() {
    let world = World::new().await;
    world.user("ada").await;
    let tiers = json!([{"above": 10, "input_price": 100},
                       {"above": 2, "input_price": "3", "output_price": "4"}]);
    let prices = json!({"input_price": "1", "output_price": "2", "tiers": tiers});
    let model = mine(&world, prices).await;
    let sorted = json!([{"above": 2, "input_price": "3", "output_price": "4"},
                        {"above": 10, "input_price": "100"}]);
    assert_eq!(model["tiers"], sorted);
    for words in [2, 3, 10, 11] {
        assert_eq!(ask(&world, words).await, StatusCode::OK);
    }
    // 2 × 1 + 3 × 2, 3 × 3 + 3 × 4, 10 × 3 + 3 × 4, and 11 × 100 + 3 × 4.
    let costs: Vec<_> = world.ledger().await.into_iter().map(|row| row.cost.unwrap()).collect();
    assert_eq!(costs, ["0.000008000", "0.000021000", "0.000042000", "0.001112000"]);
    let (_, list) = world.send("ada", "GET", "/api/v1/models", Value::Null).await;
    let listed = list["items"].as_array().unwrap().iter().find(|item| item["name"] == "Mine");
    assert_eq!(listed.unwrap()["tiers"], sorted);
}

#[tokio::test]
async fn tiers_stay_in_a_new_price_until_they_are_replaced_or_taken_away() {
    let world = World::new().await;
    world.user("ada").await;
    let tiers = json!([{"above": 2, "input_price": "3"}]);
    let prices = json!({"input_price": "1", "output_price": "2", "tiers": tiers});
    let path = path_of(&mine(&world, prices).await);
    let versions = format!("{path}/prices");
    // A price that they would have to name as well.
    let (status, problem) =
        world.send("ada", "POST", &versions, json!({"cached_input_price": "0.5"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("must name cached_input_price"), "{detail}");
    assert!(detail.contains("the tiers in force stay where none are sent"), "{detail}");
    let raised = json!({"output_price": "5"});
    assert_eq!(world.send("ada", "POST", &versions, raised).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&world, 3).await, StatusCode::OK);
    let others = json!([{"above": 100, "output_price": "7"}]);
    let (status, view) = world.send("ada", "PATCH", &path, json!({"tiers": others})).await;
    assert_eq!((status, &view["tiers"]), (StatusCode::OK, &others), "{view}");
    let none = json!({"tiers": []});
    assert_eq!(world.send("ada", "POST", &versions, none).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&world, 3).await, StatusCode::OK);
    // 3 × 3 + 3 × 5, then 3 × 1 + 3 × 5.
    let costs: Vec<_> = world.ledger().await.into_iter().map(|row| row.cost.unwrap()).collect();
    assert_eq!(costs, ["0.000024000", "0.000018000"]);
    let (_, view) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(view.get("tiers"), None, "{view}");
    let (_, list) = world.send("ada", "GET", &versions, Value::Null).await;
    let shown: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|version| version.get("tiers")).collect();
    assert_eq!(shown, [None, Some(&others), Some(&tiers), Some(&tiers)]);
}

#[tokio::test]
async fn tiers_that_cannot_be_are_refused_with_the_reason() {
    let world = World::new().await;
    world.user("ada").await;
    let prices = json!({"input_price": "1", "output_price": "2", "cached_input_price": "0.1",
        "reasoning_price": "4"});
    let path = path_of(&mine(&world, prices).await);
    let tier = |above: i64| json!({"above": above, "cached_input_price": "1"});
    let many: Vec<_> = (1..=9).map(tier).collect();
    for (tiers, reason) in [
        (json!([tier(0)]), "tiers[0].above: must be a whole number from 1 to 100000000, not 0"),
        (json!([tier(-1)]), "must be a whole number from 1 to 100000000, not -1"),
        (json!([tier(100_000_001)]), "from 1 to 100000000, not 100000001"),
        (json!([tier(5_000_000_000)]), "from 1 to 100000000, not 5000000000"),
        (json!([{"above": 1.5}]), "must be a whole number from 1 to 100000000, not 1.5"),
        (json!([{"above": "5"}]), "must be a whole number from 1 to 100000000, not a string"),
        (json!([{"input_price": "1"}]), "tiers[0].above: is required"),
        (json!([tier(7), tier(5), tier(7)]), "there are two above 7"),
        (json!(many), "there can be at most 8"),
        (json!([{"above": 5}]), "the one above 5 has no price"),
        (json!([{"above": 5, "output_price": "-1"}]), "output_price above 5 must be within 0 and"),
        (json!([{"above": 5, "output_price": 1_000_001}]), "output_price above 5 must be within 0"),
        (json!([{"above": 5, "output_price": "much"}]), "'much' is not an amount"),
        (json!([{"above": 5, "embedding_price": "1"}]), "embedding_price: is not known here"),
        (json!([{"above": 5, "input_price": "2"}]), "must name cached_input_price"),
        (json!([{"above": 5, "output_price": "4"}]), "must name reasoning_price"),
        (
            json!([{"above": 5, "input_price": "2", "output_price": "4"}]),
            "the one above 5 must name cached_input_price beside input_price, reasoning_price beside \
             output_price: shorter prompts have such prices",
        ),
    ] {
        let body = json!({"tiers": tiers});
        for (method, path) in [("PATCH", path.clone()), ("POST", format!("{path}/prices"))] {
            let (status, answer) = world.send("ada", method, &path, body.clone()).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{tiers}: {answer}");
            assert_eq!(answer["code"], "invalid_field", "{tiers}: {answer}");
            assert!(answer["field"].as_str().unwrap().starts_with("tiers"), "{tiers}: {answer}");
            assert!(answer["detail"].as_str().unwrap().contains(reason), "{tiers}: {answer}");
        }
    }
    // A price of a part that comes later must not make the tiers that stay too cheap.
    let tiers = json!([{"above": 5, "input_price": "2", "cached_input_price": "0.2"}]);
    world.change_model("ada", path.rsplit('/').next().unwrap(), json!({"tiers": tiers})).await;
    let (status, answer) =
        world.send("ada", "PATCH", &path, json!({"cache_write_price": "1.25"})).await;
    assert_eq!((status.as_u16(), &answer["field"]), (422, &json!("tiers")), "{answer}");
}

#[tokio::test]
async fn a_tier_of_which_a_newer_node_knows_more_costs_what_is_known_of_it() {
    let world = World::new().await;
    world.user("ada").await;
    let tiers = json!([{"above": 2, "input_price": "3"}]);
    let prices = json!({"input_price": "1", "output_price": "0", "tiers": tiers});
    let path = path_of(&mine(&world, prices).await);
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let newer = "UPDATE gateway.model_prices
                 SET tiers = jsonb_set(tiers, '{0,audio_price}', '\"9\"') WHERE tiers <> '[]'";
    assert_eq!(sqlx::query(newer).execute(&mut *tx).await.unwrap().rows_affected(), 1);
    tx.commit().await.unwrap();
    world.gateway.forget_access();
    let (status, view) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!((status, &view["tiers"]), (StatusCode::OK, &tiers), "{view}");
    let (status, list) = world.send("ada", "GET", &format!("{path}/prices"), Value::Null).await;
    assert_eq!((status, &list["items"][0]["tiers"]), (StatusCode::OK, &tiers), "{list}");
    assert_eq!(ask(&world, 3).await, StatusCode::OK);
    assert_eq!(world.ledger().await[0].cost.as_deref(), Some("0.000009000"));
}

#[tokio::test]
async fn models_that_are_added_at_once_may_bring_tiers() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let path = format!("/api/v1/providers/{provider}/models");
    let tiers = json!([{"above": 2, "input_price": "3"}]);
    let model = |tiers: &Value| {
        json!({"models": [{"model": "ok", "name": "Mine", "kind": "chat", "input_price": "1",
            "output_price": "0", "tiers": tiers}, {"model": "slow", "kind": "chat"}]})
    };
    let twice = json!([tiers[0], tiers[0]]);
    let (status, problem) = world.send("ada", "POST", &path, model(&twice)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["refused"][0]["detail"], "tiers: there are two above 2");
    let (status, added) = world.send("ada", "POST", &path, model(&tiers)).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert_eq!((&added["items"][0]["tiers"], added["items"][1].get("tiers")), (&tiers, None));
    assert_eq!(ask(&world, 3).await, StatusCode::OK);
    assert_eq!(world.ledger().await[0].cost.as_deref(), Some("0.000009000"));
}

#[tokio::test]
async fn a_quota_of_costs_reserves_by_the_tier_of_the_prompt() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    // A dollar for each token of the answer, of which there may be three.
    let tiers = json!([{"above": 1000, "output_price": 1_000_000}]);
    mine(&world, json!({"input_price": "0", "output_price": "0", "tiers": tiers})).await;
    limit(&world, "users", ada, json!({"max_cost": "2"})).await;
    assert_eq!(ask(&world, 5).await, StatusCode::OK);
    assert_eq!(ask(&world, 5000).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(world.upstream.calls(), 1);
    limit(&world, "users", ada, json!({"max_cost": "10"})).await;
    assert_eq!(ask(&world, 5000).await, StatusCode::OK);
    let costs: Vec<_> = world.ledger().await.into_iter().map(|row| row.cost.unwrap()).collect();
    assert_eq!(costs, ["0.000000000", "3.000000000"]);
}
