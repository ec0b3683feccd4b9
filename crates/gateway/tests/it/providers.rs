use axum::http::StatusCode;
use lyceum_core::new_id;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::kinds::Kind;
use crate::world::{KEY, World};

fn new_provider(world: &World) -> Value {
    json!({"provider": "custom", "name": "Mine", "scope": "personal",
           "base_url": world.upstream.base_url, "api_key": KEY})
}

#[tokio::test]
async fn a_key_is_never_shown_again() {
    let world = World::new().await;
    world.user("ada").await;
    let (status, view) = world.send("ada", "POST", "/api/v1/providers", new_provider(&world)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(view["api_key_hint"], "…cdef");
    let id = view["id"].as_str().unwrap();
    let path = format!("/api/v1/providers/{id}");
    let model = world.model("ada", id, "ok", "chat").await;
    let mut shown = vec![view.to_string()];
    for (method, path, body) in [
        ("GET", "/api/v1/providers", Value::Null),
        ("GET", path.as_str(), Value::Null),
        ("PATCH", path.as_str(), json!({"name": "Other", "api_key": format!("{KEY}new")})),
        ("GET", "/api/v1/models", Value::Null),
        ("POST", &format!("{path}/test"), Value::Null),
        ("GET", &format!("{path}/models"), Value::Null),
        ("PATCH", &format!("/api/v1/models/{model}"), json!({"name": "Another"})),
        ("DELETE", path.as_str(), Value::Null),
    ] {
        shown.push(world.send("ada", method, path, body).await.1.to_string());
    }
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let audit: Vec<String> = sqlx::query_scalar("SELECT to_jsonb(a)::text FROM ops.audit_logs a")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    assert!(audit.iter().any(|row| row.contains("\"provider\"")));
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for text in shown.iter().chain(&audit) {
        assert!(!text.contains(KEY) && !text.contains(&hex), "{text}");
        assert!(!text.contains("encrypted_key"), "{text}");
    }
    let stored: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT encrypted_key FROM gateway.provider_configs")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    assert_eq!(stored, None, "a deleted provider keeps no key");
}

#[tokio::test]
async fn addresses_inside_the_network_are_refused() {
    let world = World::new().await;
    world.user("ada").await;
    for (url, code) in [
        ("http://127.0.0.1:1/v1", "private_address"),
        ("http://169.254.169.254/latest", "private_address"),
        ("http://[::ffff:10.0.0.1]/", "private_address"),
        ("http://localhost:5432", "private_address"),
        ("file:///etc/passwd", "invalid_address"),
        ("http://user:pass@example.com/", "invalid_address"),
        ("nonsense", "invalid_field"),
        ("https://example.com/v1?key=1", "invalid_field"),
    ] {
        let mut body = new_provider(&world);
        body["base_url"] = json!(url);
        let (status, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{url}: {answer}");
        assert_eq!(answer["code"], code, "{url}");
    }
    let mut body = new_provider(&world);
    body["provider"] = json!("open\0ai");
    let (status, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(answer["field"], "provider");
    // A row that got there in another way is judged again when it is used.
    let id = world.provider("ada", "mock").await;
    world.model("ada", &id, "ok", "chat").await;
    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut owner).await.unwrap();
    sqlx::query("UPDATE gateway.provider_configs SET base_url = 'http://127.0.0.1:9/v1'")
        .execute(&mut owner)
        .await
        .unwrap();
    let path = format!("/api/v1/providers/{id}");
    let (_, test) = world.send("ada", "POST", &format!("{path}/test"), Value::Null).await;
    assert_eq!((&test["ok"], &test["code"]), (&json!(false), &json!("provider_unreachable")));
    assert!(test["detail"].as_str().unwrap().contains("private network"), "{test}");
    assert_eq!(world.upstream.calls(), 0);
}

#[tokio::test]
async fn a_test_says_in_words_what_is_wrong() {
    let world = World::new().await;
    world.user("ada").await;
    let id = world.provider("ada", "mock").await;
    let path = format!("/api/v1/providers/{id}");
    let test = async || world.send("ada", "POST", &format!("{path}/test"), Value::Null).await.1;
    let good = test().await;
    assert_eq!(good["ok"], true, "{good}");
    let (status, models) = world.send("ada", "GET", &format!("{path}/models"), Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let listed = json!({"id": "ok", "name": "ok", "kind": "chat", "added": false});
    assert!(models["items"].as_array().unwrap().contains(&listed), "{models}");

    let wrong = json!({"api_key": "sk-wrong-0123456789"});
    assert_eq!(world.send("ada", "PATCH", &path, wrong).await.0, StatusCode::OK);
    let refused = test().await;
    assert_eq!(
        (&refused["ok"], &refused["code"]),
        (&json!(false), &json!("provider_unauthorized"))
    );
    assert!(refused["detail"].as_str().unwrap().ends_with("Check the key."), "{refused}");
    let (status, _) = world.send("ada", "GET", &format!("{path}/models"), Value::Null).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);

    let elsewhere = world.upstream.base_url.replace("/v1", "/elsewhere");
    let moved = json!({"base_url": elsewhere, "api_key": KEY});
    assert_eq!(world.send("ada", "PATCH", &path, moved).await.0, StatusCode::OK);
    assert_eq!(test().await["code"], "no_model_list");
    let (status, problem) = world.send("ada", "GET", &format!("{path}/models"), Value::Null).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::BAD_GATEWAY, &json!("no_model_list")),
        "{problem}"
    );
}

#[tokio::test]
async fn a_test_asks_a_model_as_a_list_says_nothing_of_credit() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let id = world.provider("ada", "mock").await;
    let test = async |id: &str| {
        let path = format!("/api/v1/providers/{id}/test");
        world.send("ada", "POST", &path, Value::Null).await.1
    };
    let list = "It answers and lists 12 models.";
    assert_eq!(test(&id).await["detail"], list);
    world.model("ada", &id, "status-402", "chat").await;
    let broke = test(&id).await;
    assert_eq!((&broke["ok"], &broke["code"]), (&json!(false), &json!("provider_no_credit")));
    let detail = broke["detail"].as_str().unwrap();
    assert!(detail.starts_with("The plan or credit at the provider is used up"), "{detail}");
    assert!(detail.ends_with("The model status-402 was asked for one token."), "{detail}");

    // One that is listed goes before.
    world.model("ada", &id, "ok", "chat").await;
    let good = test(&id).await;
    assert_eq!(good["detail"], format!("{list} The model ok was asked for one token."), "{good}");
    let asked = world.upstream.requests().pop().unwrap().body;
    assert_eq!((&asked["model"], &asked["max_tokens"]), (&json!("ok"), &json!(1)));
    let row = world.ledger().await.pop().unwrap();
    assert_eq!((row.purpose.as_str(), row.completion_tokens), ("test", 1), "{row:?}");

    // A quota of ours is not the provider's fault.
    let quota = format!("/api/v1/quotas/users/{ada}");
    let (status, view) = world.send("root", "PUT", &quota, json!({"max_api_calls": 1})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let unasked = test(&id).await;
    assert_eq!((&unasked["ok"], &unasked["detail"]), (&json!(true), &json!(list)));

    // Nobody charges for these, which are asked for their list alone.
    let own = world.at_kind(&Kind::new("ollama", ""), "own").await;
    world.model_at(&own, "mine", "ok").await;
    let calls = world.upstream.calls();
    assert_eq!((&test(&own).await["detail"], world.upstream.calls()), (&json!(list), calls + 1));
}

#[tokio::test]
async fn a_key_does_not_follow_to_another_host() {
    let world = World::new().await;
    world.user("ada").await;
    let id = world.provider("ada", "mock").await;
    let path = format!("/api/v1/providers/{id}");
    let moved = json!({"base_url": "https://collector.example.com/v1"});
    let (status, answer) = world.send("ada", "PATCH", &path, moved.clone()).await;
    assert_eq!((status, &answer["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("api_key")));
    let with_key =
        json!({"base_url": "https://collector.example.com/v1", "api_key": "sk-another-key-1"});
    assert_eq!(world.send("ada", "PATCH", &path, with_key).await.0, StatusCode::OK);
    let without_key = json!({"base_url": world.upstream.base_url, "api_key": null});
    let (status, view) = world.send("ada", "PATCH", &path, without_key).await;
    assert_eq!((status, view.get("api_key_hint")), (StatusCode::OK, None));
    assert_eq!(world.send("ada", "PATCH", &path, moved).await.0, StatusCode::OK);
}

#[tokio::test]
async fn settings_are_checked_against_the_catalogue() {
    let world = World::new().await;
    world.user("ada").await;
    let (_, catalogue) = world.send("ada", "GET", "/api/v1/providers/catalogue", Value::Null).await;
    let kinds = catalogue["items"].as_array().unwrap();
    assert_eq!(kinds.len(), 11);
    let active = |kind: &&Value| kind["is_active"] == true;
    assert_eq!(kinds.iter().filter(active).count(), 11);
    for (member, value, field) in [
        ("provider", json!("local"), "provider"),
        ("provider", json!("unheard_of"), "provider"),
        ("config", json!({"idle_timeout_seconds": 0}), "config.idle_timeout_seconds"),
        ("config", json!({"colour": {}}), "config.colour"),
        ("config", json!({"headers": []}), "config.headers"),
        ("name", json!(" "), "name"),
        ("api_key", json!("two words"), "api_key"),
    ] {
        let mut body = new_provider(&world);
        body[member] = value;
        let (status, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert_eq!(answer["field"], field, "{answer}");
    }
    let body = json!({"provider": "openai", "name": "x", "scope": "personal"});
    let (_, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
    assert_eq!(answer["field"], "api_key");
    assert_eq!(world.send("ada", "POST", "/api/v1/providers", new_provider(&world)).await.0, 201);
    let (status, answer) =
        world.send("ada", "POST", "/api/v1/providers", new_provider(&world)).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("name_taken")));
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(world.send("ada", "POST", "/v1/chat/completions", body.clone()).await.0, 200);
    world.gateway.flush().await;
    let (_, calls) = world.send("ada", "GET", "/api/v1/usage/calls", Value::Null).await;
    let call = calls["items"][0]["id"].as_str().unwrap().to_owned();
    let model_body = json!({"provider_config_id": provider, "model": "x", "kind": "chat"});
    for who in ["eve", "root"] {
        for (method, path, body) in [
            ("GET", format!("/api/v1/providers/{provider}"), Value::Null),
            ("PATCH", format!("/api/v1/providers/{provider}"), json!({"name": "x"})),
            ("DELETE", format!("/api/v1/providers/{provider}"), Value::Null),
            ("POST", format!("/api/v1/providers/{provider}/test"), Value::Null),
            ("GET", format!("/api/v1/providers/{provider}/models"), Value::Null),
            ("POST", "/api/v1/models".to_owned(), model_body.clone()),
            ("PATCH", format!("/api/v1/models/{model}"), json!({"is_default": true})),
            ("PATCH", format!("/api/v1/models/{model}"), json!({"name": "x"})),
            ("DELETE", format!("/api/v1/models/{model}"), Value::Null),
            ("POST", "/v1/chat/completions".to_owned(), body.clone()),
            ("GET", format!("/v1/models/{model}"), Value::Null),
            ("GET", format!("/api/v1/providers/{}", new_id()), Value::Null),
        ] {
            let (status, answer) = world.send(who, method, &path, body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{who} {method} {path}: {answer}");
        }
        let (_, listed) = world.send(who, "GET", "/api/v1/providers", Value::Null).await;
        assert_eq!(listed["items"], json!([]));
    }
    let path = format!("/api/v1/usage/calls/{call}");
    assert_eq!(world.send("eve", "GET", &path, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.send("ada", "GET", &path, Value::Null).await.0, StatusCode::OK);
    assert_eq!(world.send("root", "GET", &path, Value::Null).await.0, StatusCode::OK);
    // The organisation's providers are an administrator's.
    let mut shared = new_provider(&world);
    shared["scope"] = json!("organization");
    let (status, answer) = world.send("ada", "POST", "/api/v1/providers", shared).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
}

#[tokio::test]
async fn the_database_itself_keeps_people_apart() {
    let world = World::new().await;
    world.user("ada").await;
    let eve = world.user("eve").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    let body = json!({"model": "ok", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(world.send("ada", "POST", "/v1/chat/completions", body).await.0, 200);
    world.gateway.flush().await;
    let mut tx = world.test.db.begin_as(eve).await.unwrap();
    for from in [
        "provider_configs",
        "ai_model_configs WHERE provider_config_id IS NOT NULL",
        "usage_statistics",
        "user_available_providers",
        "user_default_models",
        "model_prices",
    ] {
        let query = AssertSqlSafe(format!("SELECT count(*) FROM gateway.{from}"));
        let count: i64 = sqlx::query_scalar(query).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, 0, "{from}");
    }
    let changed = sqlx::query("UPDATE gateway.provider_configs SET name = 'mine'")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 0);
    drop(tx);
    // Neither a model at another's provider nor a ledger row, nor a look past the ledger's policies.
    let insert = format!(
        "INSERT INTO gateway.ai_model_configs
           (id, provider, provider_config_id, owner_id, name, model, kind, created_at, updated_at)
         VALUES ('{}', 'custom', '{provider}', '{eve}', 'x', 'x', 'chat', now(), now())",
        new_id()
    );
    let partition = "SELECT relname::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
                     WHERE inhparent = 'gateway.usage_statistics'::regclass LIMIT 1";
    let mut tx = world.test.db.begin_as(eve).await.unwrap();
    let partition: String = sqlx::query_scalar(partition).fetch_one(&mut *tx).await.unwrap();
    drop(tx);
    for statement in [
        insert,
        "DELETE FROM gateway.usage_statistics".to_owned(),
        "UPDATE gateway.usage_statistics SET cost = 0".to_owned(),
        format!("SELECT * FROM gateway.{partition}"),
    ] {
        let mut tx = world.test.db.begin_as(eve).await.unwrap();
        let refused = sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut *tx).await;
        assert!(refused.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn a_distributed_provider_is_for_those_it_is_given_to() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.user("eve").await;
    world.admin("root").await;
    let mut shared = new_provider(&world);
    shared["scope"] = json!("organization");
    let (_, provider) = world.send("root", "POST", "/api/v1/providers", shared).await;
    let provider = provider["id"].as_str().unwrap().to_owned();
    world.model("root", &provider, "ok", "chat").await;
    let sees = async |who: &str| {
        let (_, list) = world.send(who, "GET", "/v1/models", Value::Null).await;
        list["data"].as_array().unwrap().iter().any(|model| model["id"] == "ok")
    };
    assert!(sees("ada").await && sees("eve").await);
    let mut owner = world.test.owner.connect().await.unwrap();
    sqlx::query("SET ROLE lyceum_maintenance").execute(&mut owner).await.unwrap();
    sqlx::query("UPDATE gateway.provider_configs SET audience = 'selected'")
        .execute(&mut owner)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO gateway.provider_distributions
           (id, provider_config_id, user_id, created_at, updated_at)
         VALUES ($1, $2::text::uuid, $3, now(), now())",
    )
    .bind(new_id())
    .bind(&provider)
    .bind(ada)
    .execute(&mut owner)
    .await
    .unwrap();
    // Any change through the program makes it look again.
    world.provider("root", "another").await;
    assert!(sees("ada").await && !sees("eve").await);
}
