use axum::http::StatusCode;
use lyceum_core::Problem as _;
use serde_json::{Value, json};

use crate::world::{KEY, World};

async fn default_of(world: &World, who: &str) -> String {
    let (_, models) = world.send(who, "GET", "/api/v1/models", Value::Null).await;
    let items = models["items"].as_array().unwrap();
    let default = |m: &&Value| m["is_default"] == true && m["kind"] == "chat";
    let found: Vec<&Value> = items.iter().filter(default).collect();
    assert_eq!(found.len(), 1, "{models}");
    found[0]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_default_is_ones_own_then_the_organizations_then_the_built_in() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    assert_eq!(default_of(&world, "ada").await, "local-chat");

    let body = json!({"provider": "openai", "name": "Company", "scope": "organization",
        "base_url": world.upstream.base_url, "api_key": KEY});
    let (status, provider) = world.send("root", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::CREATED, "{provider}");
    let id = world.model("root", provider["id"].as_str().unwrap(), "ok", "chat").await;
    let patch = json!({"is_organization_default": true});
    let path = format!("/api/v1/models/{id}");
    assert_eq!(world.send("root", "PATCH", &path, patch.clone()).await.0, StatusCode::OK);
    assert_eq!(default_of(&world, "ada").await, "ok");

    // A user may choose a shared model for themselves, but not change it.
    let mine = world.provider("ada", "mine").await;
    let own = world.model("ada", &mine, "slow", "chat").await;
    let own = format!("/api/v1/models/{own}");
    assert_eq!(world.send("ada", "PATCH", &own, json!({"is_default": true})).await.0, 200);
    assert_eq!(default_of(&world, "ada").await, "slow");
    assert_eq!(world.send("ada", "PATCH", &path, json!({"is_default": true})).await.0, 200);
    assert_eq!(default_of(&world, "ada").await, "ok");
    assert_eq!(default_of(&world, "root").await, "ok");
    for forbidden in [json!({"name": "x"}), patch, json!({"input_price": "1"})] {
        let (status, answer) = world.send("ada", "PATCH", &path, forbidden).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
    }
    assert_eq!(world.send("ada", "DELETE", &path, Value::Null).await.0, StatusCode::FORBIDDEN);

    // What is deleted is nobody's default any more, at once.
    assert_eq!(world.send("root", "DELETE", &path, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(default_of(&world, "ada").await, "local-chat");
    let model = world.gateway.resolve_chat_model(ada, Some(id.parse().unwrap())).await;
    assert_eq!(model.err().unwrap().code(), "not_found");
}

#[tokio::test]
async fn values_out_of_range_are_named() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let base = json!({"provider_config_id": provider, "model": "ok", "kind": "chat"});
    for (field, value) in [
        ("temperature", json!(2.1)),
        ("temperature", json!(-1)),
        ("max_tokens", json!(0)),
        ("name", json!("")),
        ("name", json!("x".repeat(101))),
        ("model", json!("a\u{0}b")),
        ("options", json!({"stream": true})),
        ("input_price", json!("-1")),
        ("context_length", json!(-5)),
    ] {
        let mut body = base.clone();
        body[field] = value;
        let (status, answer) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {answer}");
        assert_eq!(answer["field"], field, "{answer}");
    }
    let mut body = base.clone();
    body["surprise"] = json!(1);
    let (status, answer) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(
        (status, answer["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid_field"))
    );
    // Twice the same name.
    assert_eq!(world.send("ada", "POST", "/api/v1/models", base.clone()).await.0, 201);
    let (status, answer) = world.send("ada", "POST", "/api/v1/models", base).await;
    assert_eq!((status, answer["code"].as_str()), (StatusCode::CONFLICT, Some("name_taken")));
}

#[tokio::test]
async fn settings_and_prices_of_a_model_are_used() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let body = json!({"provider_config_id": provider, "name": "Mine", "model": "ok", "kind": "chat",
        "max_tokens": 3, "temperature": 0.7, "options": {"top_p": 0.5, "custom": [1]},
        "input_price": "2.5", "output_price": 10});
    let (status, model) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{model}");
    assert_eq!(model["temperature"], 0.7);
    assert_eq!(model["input_price"].as_str().unwrap().parse::<f64>().unwrap(), 2.5);
    let messages = json!([{"role": "user", "content": "one two three four"}]);
    for stream in [false, true] {
        let body = json!({"model": "Mine", "messages": messages, "stream": stream, "top_p": 0.9});
        let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests().pop().unwrap().body;
        assert_eq!(sent["model"], "ok");
        assert_eq!(sent["max_tokens"], 3);
        assert_eq!(sent["temperature"], 0.7);
        assert_eq!(sent["top_p"], 0.9);
        assert_eq!(sent["custom"], json!([1]));
    }
    // 4 × 2.5 / 10⁶ + 3 × 10 / 10⁶
    for row in world.ledger().await {
        assert_eq!(row.cost.as_deref(), Some("0.000040000"), "{row:?}");
    }
    // A new price is for new calls.
    let path = format!("/api/v1/models/{}", model["id"].as_str().unwrap());
    let (status, changed) =
        world.send("ada", "PATCH", &path, json!({"output_price": "20", "temperature": null})).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed.get("temperature"), None);
    let body = json!({"model": "Mine", "messages": messages});
    world.send("ada", "POST", "/v1/chat/completions", body).await;
    let costs: Vec<_> = world.ledger().await.into_iter().map(|row| row.cost.unwrap()).collect();
    assert_eq!(costs, ["0.000040000", "0.000040000", "0.000070000"]);
}

#[tokio::test]
async fn who_manages_a_shared_model_sets_its_price_without_using_it() {
    let world = World::new().await;
    world.admin("root").await;
    world.user("ada").await;
    let (_, id) = world.shared("root", "Company", "shared").await;
    let path = format!("/api/v1/models/{id}");
    let (price, default) = (json!({"input_price": "7"}), json!({"is_organization_default": true}));
    for change in [&price, &default, &json!({"is_default": false})] {
        let (status, view) = world.send("root", "PATCH", &path, change.clone()).await;
        assert_eq!(status, StatusCode::OK, "{change}: {view}");
        assert_eq!(view["available"], false, "nobody was given the provider");
        assert_eq!(view["input_price"].as_str().unwrap().parse::<f64>().unwrap(), 7.0);
    }
    // Nobody has as their default what they cannot use; to others it is not there at all.
    let own = json!({"is_default": true});
    for (who, change) in [("root", &own), ("ada", &own), ("ada", &price), ("ada", &default)] {
        let (status, answer) = world.send(who, "PATCH", &path, change.clone()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{who}: {answer}");
    }
}

#[tokio::test]
async fn reasoning_costs_as_the_answer_or_by_a_price_of_its_own() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let body = json!({"provider_config_id": provider, "name": "Mine", "model": "think",
        "kind": "chat", "input_price": "1", "output_price": "2"});
    let (_, model) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(model.get("reasoning_price"), None);
    let path = format!("/api/v1/models/{}", model["id"].as_str().unwrap());
    let ask = json!({"model": "Mine", "messages": [{"role": "user", "content": "one two three"}]});
    world.send("ada", "POST", "/v1/chat/completions", ask.clone()).await;
    let (status, _) = world.send("ada", "PATCH", &path, json!({"reasoning_price": "10"})).await;
    assert_eq!(status, StatusCode::OK);
    world.send("ada", "POST", "/v1/chat/completions", ask).await;
    // 3 × 1 + 5 × 2 + 3 × 2, then 3 × 10 for the reasoning.
    let costs: Vec<_> = world.ledger().await.into_iter().map(|row| row.cost.unwrap()).collect();
    assert_eq!(costs, ["0.000019000", "0.000043000"]);
}

#[tokio::test]
async fn a_built_in_model_that_is_not_installed_says_so_and_how_it_is() {
    let world = World::new().await;
    world.user("ada").await;
    let (_, models) = world.send("ada", "GET", "/api/v1/models", Value::Null).await;
    let items = models["items"].as_array().unwrap();
    let names: Vec<_> =
        items.iter().map(|m| (m["name"].as_str().unwrap(), &m["available"])).collect();
    assert_eq!(
        names,
        [
            ("local-chat", &json!(true)),
            ("local-embedding", &json!(true)),
            ("local-missing", &json!(false))
        ]
    );
    let body = json!({"model": "local-missing", "messages": [{"role": "user", "content": "hi"}]});
    let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer["error"]["code"], "model_not_installed");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("script/fetch.py, with 'models local-missing'"), "{message}");
    assert!(message.contains("starts the program again"), "{message}");
    assert!(world.ledger().await.is_empty());
}

#[tokio::test]
async fn prices_have_versions_of_which_one_is_in_force() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let path = format!("/api/v1/models/{model}/prices");
    let (_, none) = world.send("ada", "GET", &path, Value::Null).await;
    assert_eq!(none["items"], json!([]));
    let now = json!({"input_price": "1", "output_price": "2", "cache_write_price": "1.25",
        "reasoning_price": "4"});
    assert_eq!(world.send("ada", "POST", &path, now).await.0, StatusCode::NO_CONTENT);
    let later = json!({"input_price": "5", "valid_from": "2999-01-01T00:00:00Z"});
    assert_eq!(world.send("ada", "POST", &path, later.clone()).await.0, StatusCode::NO_CONTENT);
    let (_, first) = world.send("ada", "GET", &format!("{path}?limit=1"), Value::Null).await;
    let next = format!("{path}?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    let (_, second) = world.send("ada", "GET", &next, Value::Null).await;
    assert!(second.get("next_cursor").is_none());
    let (planned, present) = (&first["items"][0], &second["items"][0]);
    assert_eq!((&planned["in_force"], &present["in_force"]), (&json!(false), &json!(true)));
    let number = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    assert_eq!(number(&planned["input_price"]), 5.0);
    assert_eq!(number(&planned["output_price"]), 2.0, "what is not named stays");
    assert_eq!(number(&planned["cache_write_price"]), 1.25);
    assert_eq!(number(&planned["reasoning_price"]), 4.0);
    let (_, view) = world.send("ada", "GET", &format!("/api/v1/models/{model}"), Value::Null).await;
    assert_eq!(number(&view["input_price"]), 1.0);
    assert_eq!(number(&view["reasoning_price"]), 4.0);

    for (body, field) in [
        (json!({}), "input_price"),
        (json!({"input_price": "-1"}), "input_price"),
        (json!({"input_price": "1", "valid_from": "2000-01-01T00:00:00Z"}), "valid_from"),
        (later, "valid_from"),
    ] {
        let (status, answer) = world.send("ada", "POST", &path, body).await;
        assert_eq!((status.as_u16(), &answer["field"]), (422, &json!(field)), "{answer}");
    }
    let price = json!({"input_price": "9"});
    for who in ["eve", "root"] {
        let model = format!("/api/v1/models/{model}");
        for (method, path, body) in [
            ("GET", &model, Value::Null),
            ("GET", &path, Value::Null),
            ("POST", &path, price.clone()),
        ] {
            assert_eq!(world.send(who, method, path, body).await.0, StatusCode::NOT_FOUND, "{who}");
        }
    }
}

#[tokio::test]
async fn several_models_of_a_provider_are_added_at_once() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let other = world.provider("ada", "other").await;
    world.model("ada", &other, "slow", "chat").await;
    let path = format!("/api/v1/providers/{provider}/models");
    let body = json!({"models": [
        {"model": "ok", "kind": "chat", "context_length": 8000},
        {"model": "embedder", "name": "Vectors", "kind": "embedding", "dimensions": 8}]});
    let (status, added) = world.send("ada", "POST", &path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    let names: Vec<_> = added["items"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert_eq!(names, [&json!("ok"), &json!("Vectors")]);
    assert_eq!(added["items"][0]["context_length"], 8000);
    assert_eq!(added["items"][1]["kind"], "embedding");
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({"model": "ok", "messages": [{"role": "user", "content": "hi"}]}),
        ),
        ("/v1/embeddings", json!({"model": "Vectors", "input": "hi"})),
    ] {
        let (status, answer) = world.send("ada", "POST", path, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    // What is there already says so, and what would take another's name gets one of its own.
    let (_, listed) = world.send("ada", "GET", &path, Value::Null).await;
    let items = listed["items"].as_array().unwrap();
    let of = |id: &str| items.iter().find(|model| model["id"] == id).unwrap();
    assert_eq!(of("ok")["added"], true);
    assert_eq!((&of("slow")["added"], &of("slow")["name"]), (&json!(false), &json!("slow (mock)")));
    assert_eq!(of("cut")["name"], "cut");
}

#[tokio::test]
async fn of_several_models_all_are_added_or_none() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    let path = format!("/api/v1/providers/{provider}/models");
    let body = json!({"models": [
        {"model": "good", "kind": "chat"},
        {"model": "OK", "kind": "chat"},
        {"model": "short", "kind": "chat", "context_length": -5},
        {"model": "twice", "kind": "chat"},
        {"model": "twice", "kind": "chat"},
        {"model": " ", "kind": "chat"},
        {"model": "named", "name": "x".repeat(101), "kind": "chat"}]});
    let (status, problem) = world.send("ada", "POST", &path, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(problem["code"], "models_refused");
    let refused = problem["refused"].as_array().unwrap();
    let refused: Vec<_> = refused
        .iter()
        .map(|why| (why["model"].as_str().unwrap(), why["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("OK", "name_taken"),
        ("short", "invalid_field"),
        ("twice", "name_taken"),
        (" ", "invalid_field"),
        ("named", "invalid_field"),
    ];
    assert_eq!(refused, expected);
    assert!(problem["refused"][1]["detail"].as_str().unwrap().starts_with("context_length: "));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("Nothing was added. 'OK': The name is in use"), "{detail}");
    let (_, models) = world.send("ada", "GET", "/api/v1/models", Value::Null).await;
    let names: Vec<_> = models["items"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert!(names.contains(&&json!("ok")) && !names.contains(&&json!("good")), "{names:?}");

    let many = |count: usize| {
        let model = |number| json!({"model": format!("model {number}"), "kind": "chat"});
        json!({"models": (0..count).map(model).collect::<Vec<_>>()})
    };
    for count in [0, 201] {
        let (status, problem) = world.send("ada", "POST", &path, many(count)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["field"], "models", "{problem}");
    }
    let (status, added) = world.send("ada", "POST", &path, many(200)).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    assert_eq!(added["items"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn models_are_added_to_what_one_manages_only() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    world.user("eve").await;
    let own = world.provider("ada", "mock").await;
    let (shared, _) = world.shared("root", "Company", "shared").await;
    world.give("root", &shared, ada).await;
    let body = json!({"models": [{"model": "slow", "kind": "chat"}]});
    for (who, provider, expected) in [
        ("eve", &own, StatusCode::NOT_FOUND),
        ("root", &own, StatusCode::NOT_FOUND),
        ("ada", &shared, StatusCode::FORBIDDEN),
        ("root", &shared, StatusCode::CREATED),
    ] {
        let path = format!("/api/v1/providers/{provider}/models");
        let (status, answer) = world.send(who, "POST", &path, body.clone()).await;
        assert_eq!(status, expected, "{who}: {answer}");
    }
    // A provider without models that embed takes none.
    let origin = world.upstream.origin.clone();
    let claude = world.provider_of("ada", "anthropic", "claude", &origin, json!({})).await;
    let path = format!("/api/v1/providers/{claude}/models");
    let body = json!({"models": [{"model": "x", "kind": "embedding"}]});
    let (status, problem) = world.send("ada", "POST", &path, body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("'x': kind: "), "{problem}");
}
