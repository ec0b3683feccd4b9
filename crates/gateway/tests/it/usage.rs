use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;

use crate::world::World;

async fn call(world: &World, who: &str, model: &str) {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "one two three"}]});
    world.send(who, "POST", "/v1/chat/completions", body).await;
}

#[tokio::test]
async fn sums_are_those_of_the_calls() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let eve = world.user("eve").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    for model in ["ok", "status-500"] {
        world.model("ada", &provider, model, "chat").await;
    }
    for model in ["ok", "ok", "status-500", "local-chat"] {
        call(&world, "ada", model).await;
    }
    call(&world, "eve", "local-chat").await;
    world.gateway.flush().await;

    let get = async |who: &str, path: &str| world.send(who, "GET", path, Value::Null).await;
    let (status, mine) = get("ada", "/api/v1/usage/summary?group_by=model").await;
    assert_eq!(status, StatusCode::OK, "{mine}");
    let total = &mine["total"];
    assert_eq!(total["calls"], 4);
    assert_eq!(total["prompt_tokens"], 9);
    assert_eq!(total["completion_tokens"], 15);
    assert_eq!(total["errors"], 1);
    // Two calls of an unknown price; a failed one and a built-in one cost nothing.
    assert_eq!(total["unpriced_calls"], 2);
    assert_eq!(total["cost"].as_str().unwrap().parse::<f64>().unwrap(), 0.0);
    assert_eq!(mine["items"][0]["key"], "ok");
    assert_eq!(mine["items"][0].get("cost"), None);
    assert_eq!(mine["items"].as_array().unwrap().len(), 3);

    let (_, all) = get("root", "/api/v1/usage/summary?group_by=user").await;
    assert_eq!(all["total"]["calls"], 5);
    assert_eq!(all["items"][0]["key"], ada.to_string());
    assert_eq!(all["items"][0]["label"], "ada");
    let (_, one) = get("root", &format!("/api/v1/usage/summary?user_id={eve}")).await;
    assert_eq!(one["total"]["calls"], 1);
    let (status, _) = get("ada", &format!("/api/v1/usage/summary?user_id={eve}")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for group in ["day", "provider", "purpose"] {
        let path = format!("/api/v1/usage/summary?group_by={group}");
        let (status, answer) = get("ada", &path).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let items = answer["items"].as_array().unwrap();
        let calls: i64 = items.iter().map(|item| item["calls"].as_i64().unwrap()).sum();
        assert_eq!(calls, 4, "{answer}");
    }
    let (status, _) =
        get("ada", "/api/v1/usage/summary?from=2020-01-01T00:00:00Z&to=2019-01-01T00:00:00Z").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_column_that_a_newer_node_adds_fails_no_list_of_an_older_one() {
    let world = World::new().await;
    world.admin("root").await;
    call(&world, "root", "local-chat").await;
    world.gateway.flush().await;
    let limit = json!({"requests_per_minute": 100});
    let (status, _) = world.send("root", "PUT", "/api/v1/rate-limits/organization", limit).await;
    assert!(status.is_success(), "{status}");
    let lists = async || {
        // Often enough that each connection was used, and has the statements prepared.
        for path in ["/api/v1/usage/calls", "/api/v1/rate-limits"].repeat(8) {
            let (status, page) = world.send("root", "GET", path, Value::Null).await;
            assert_eq!(status, StatusCode::OK, "{path}: {page}");
            assert_eq!(page["items"].as_array().unwrap().len(), 1, "{path}: {page}");
        }
    };
    lists().await;
    let mut owner = world.test.owner.connect().await.unwrap();
    let newer = "ALTER TABLE gateway.usage_statistics ADD COLUMN later text;
                 ALTER TABLE gateway.rate_limits ADD COLUMN later text;";
    sqlx::raw_sql(newer).execute(&mut owner).await.unwrap();
    lists().await;
}

#[tokio::test]
async fn calls_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    world.user("ada").await;
    world.user("eve").await;
    for _ in 0..5 {
        call(&world, "ada", "local-chat").await;
    }
    call(&world, "eve", "local-chat").await;
    world.gateway.flush().await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/usage/calls?limit=2".to_owned();
    loop {
        let (status, page) = world.send("ada", "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["purpose"], "api");
            assert_eq!(item["user"], "ada");
            seen.push(item["created_at"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/usage/calls?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
    let (_, none) =
        world.send("ada", "GET", "/api/v1/usage/calls?status=failed", Value::Null).await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test]
async fn a_call_tells_what_was_asked_for_and_what_answered() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let named = async |name: &str, model: &str| {
        let body = json!({"provider_config_id": provider, "name": name, "model": model,
            "kind": "chat"});
        let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        view["id"].as_str().unwrap().to_owned()
    };
    let (mine, broken) = (named("mine", "think").await, named("broken", "status-500").await);
    world.route("ada", "either", &[&broken, &mine], json!({"retries": 0})).await;
    call(&world, "ada", "mine").await;
    call(&world, "ada", "either").await;
    world.gateway.flush().await;
    let get = async |path: &str| {
        world.send("ada", "GET", &format!("/api/v1/usage/{path}"), Value::Null).await.1
    };
    let page = get("calls").await;
    let word = |call: &Value, name: &str| call[name].as_str().unwrap().to_owned();
    let told = page["items"].as_array().unwrap().iter().rev();
    let told: Vec<_> =
        told.map(|call| (word(call, "requested_model"), word(call, "model"))).collect();
    // What answered nothing has the name that the provider was asked by.
    let expected = [("mine", "think-001"), ("either", "status-500"), ("either", "think-001")];
    assert_eq!(told, expected.map(|(asked, served)| (asked.to_owned(), served.to_owned())));

    let file = get("export").await;
    let mut reader = csv::Reader::from_reader(file.as_str().unwrap().as_bytes());
    let head = reader.headers().unwrap().clone();
    let place = |name: &str| head.iter().position(|column| column == name).unwrap();
    let last = reader.records().last().unwrap().unwrap();
    assert_eq!((&last[place("requested_model")], &last[place("model")]), ("mine", "think-001"));

    // Sums go by the provider's names, as its bills do.
    let sums = get("summary?group_by=model").await;
    let mut keys: Vec<_> =
        sums["items"].as_array().unwrap().iter().map(|sum| word(sum, "key")).collect();
    keys.sort();
    assert_eq!(keys, ["status-500", "think-001"]);
}

#[tokio::test]
async fn exports_are_whole_safe_and_noted() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.user("eve").await;
    world.admin("root").await;
    call(&world, "eve", "local-chat").await;
    world.gateway.flush().await;
    // More than one page, the oldest with a name that a spreadsheet would run.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO gateway.usage_statistics
           (id, created_at, user_id, provider, requested_model, purpose, prompt_tokens,
            completion_tokens, cached_tokens, reasoning_tokens, cost, estimated, status, latency_ms,
            request_id)
         SELECT gen_random_uuid(), now() - n * interval '1 second', $1, 'custom',
                CASE n WHEN 1205 THEN '=HYPERLINK(\"x\")' ELSE 'm, \"' || n END, 'api', n, 1, 0, 0,
                0.5, false, CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'completed' END, 1,
                gen_random_uuid()
         FROM generate_series(1, 1205) AS n",
    )
    .bind(ada)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let get = async |who: &str, query: &str| {
        let path = format!("/api/v1/usage/export?{query}");
        let (status, text) = world.send(who, "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        // One line alone is a document.
        text.as_str().map_or_else(|| text.to_string(), str::to_owned)
    };
    let file = get("ada", "").await;
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let head = reader.headers().unwrap().clone();
    let place = |name: &str| head.iter().position(|column| column == name).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1205);
    assert_eq!(&rows[0][place("model")], "m, \"1");
    assert_eq!(&rows[1204][place("model")], "'=HYPERLINK(\"x\")");
    assert!(rows.iter().all(|row| &row[place("user")] == "ada" && &row[place("cost")] == "0.5"));
    let tokens: i64 =
        rows.iter().map(|row| row[place("prompt_tokens")].parse::<i64>().unwrap()).sum();
    assert_eq!(tokens, 1205 * 1206 / 2);

    let lines = get("ada", "format=jsonl&status=failed&model=m,%20%224").await;
    let line: Value = serde_json::from_str(lines.trim_end()).unwrap();
    assert_eq!((&line["prompt_tokens"], &line["status"]), (&json!(4), &json!("failed")));
    assert_eq!(get("root", "format=jsonl").await.lines().count(), 1206);
    assert_eq!(get("eve", "format=jsonl").await.lines().count(), 1);
    let path = format!("/api/v1/usage/export?user_id={ada}");
    let (status, _) = world.send("eve", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let noted = "SELECT count(*) FROM ops.audit_logs
                 WHERE action = 'export' AND resource_type = 'usage'";
    assert_eq!(world.number(noted).await, 4);
}

#[tokio::test]
async fn hostile_counts_and_queries_are_no_fault_of_ours() {
    let world = World::new().await;
    world.user("ada").await;
    call(&world, "ada", "local-chat").await;
    world.gateway.flush().await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    for _ in 0..2 {
        sqlx::query(
            "INSERT INTO gateway.usage_statistics
             SELECT (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(),
                 'prompt_tokens', 9223372036854775807))).*
             FROM gateway.usage_statistics s",
        )
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let get = async |path: &str| {
        world.send("ada", "GET", &format!("/api/v1/usage/{path}"), Value::Null).await
    };
    let (status, sums) = get("summary").await;
    assert_eq!(status, StatusCode::OK, "{sums}");
    assert_eq!(sums["total"]["calls"], 4);
    assert_eq!(sums["total"]["prompt_tokens"], i64::MAX);

    for query in [
        "summary?to=-262143-01-01T00:00:00Z",
        "summary?from=-262143-01-01T00:00:00Z",
        "summary?group_by=x",
        "calls?limit=x",
        "calls?model=a%00b",
        "calls?status=%00",
    ] {
        let (status, problem) = get(query).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
        assert_eq!(problem["code"], "invalid_query", "{query}: {problem}");
    }
    let (status, problem) = get("calls/none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["code"], "not_found", "{problem}");
}
