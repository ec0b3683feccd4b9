//! Quotas: exact under concurrency, settled by the ledger, released by death.

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use futures::future::join_all;
use lyceum_core::{Clock, Problem as _};
use lyceum_gateway::{CallContext, Gateway, GatewayError, GatewaySettings, Purpose};
use lyceum_llm::{ChatEvent, ChatMessage, ChatRequest, Role};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use std::time::Duration;
use uuid::Uuid;

use crate::world::World;

pub async fn limit(world: &World, kind: &str, id: Uuid, body: Value) -> Value {
    let path = format!("/api/v1/quotas/{kind}/{id}");
    let (status, quota) = world.send("root", "PUT", &path, body).await;
    assert_eq!(status, StatusCode::OK, "{quota}");
    quota
}

/// `(used, reserved)` of one resource.
fn figures(quota: &Value, resource: &str) -> (String, String) {
    let of = quota["resources"].as_array().unwrap();
    let of = of.iter().find(|figures| figures["resource"] == resource).unwrap();
    (of["used"].as_str().unwrap().to_owned(), of["reserved"].as_str().unwrap().to_owned())
}

fn body(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 50,
           "messages": [{"role": "user", "content": "one two three"}]})
}

async fn call(world: &World, who: &str, model: &str) -> (StatusCode, Value) {
    world.send(who, "POST", "/v1/chat/completions", body(model, false)).await
}

/// Whether what the quotas count is what the ledger says.
async fn assert_books_agree(world: &World) {
    world.gateway.flush().await;
    let wrong = world
        .number(
            "SELECT count(*) FROM identity.user_quotas q
             CROSS JOIN LATERAL (
                SELECT count(*) AS calls, coalesce(sum(prompt_tokens + completion_tokens), 0) AS t,
                       coalesce(sum(cost), 0) AS cost,
                       coalesce(sum(gateway.compute_seconds(provider_config_id, latency_ms)), 0) AS s
                FROM gateway.usage_statistics u
                WHERE (u.user_id = q.user_id OR u.api_key_id = q.api_key_id
                       OR q.group_id = ANY (u.group_ids))
                  AND gateway.quota_month(q, u.created_at) = q.period_start) l
             WHERE (q.used_api_calls, q.used_tokens, q.used_cost, q.used_compute_seconds)
                   IS DISTINCT FROM (l.calls, l.t, l.cost, l.s)",
        )
        .await;
    assert_eq!(wrong, 0, "a quota and the ledger differ");
    let held = world.number("SELECT count(*) FROM gateway.quota_leases").await;
    assert_eq!(held, 0, "something is still reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_callers_exactly_as_many_pass_as_the_quota_has_calls() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    world.model("ada", &provider, "embedder", "embedding").await;
    limit(&world, "users", ada, json!({"max_api_calls": 20})).await;
    let attempt = async |number: usize| match number % 4 {
        0 => {
            let input = json!({"model": "embedder", "input": "one"});
            world.send("ada", "POST", "/v1/embeddings", input).await.0
        }
        1 => call(&world, "ada", "local-chat").await.0,
        kind => {
            let body = body("ok", kind == 2);
            world.send("ada", "POST", "/v1/chat/completions", body).await.0
        }
    };
    let statuses = join_all((0..64).map(attempt)).await;
    let passed = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    let refused = statuses.iter().filter(|s| **s == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!((passed, refused), (20, 44));
    assert_eq!(world.ledger().await.len(), 20);
    assert_eq!(world.upstream.calls(), 20);
    assert_books_agree(&world).await;
    let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
    assert_eq!(figures(&mine["items"][0], "api_calls"), ("20".into(), "0".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_callers_on_two_nodes_exactly_as_many_pass_as_the_quota_has_calls() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    limit(&world, "users", ada, json!({"max_api_calls": 200, "max_tokens": 1_000_000})).await;
    let other = world.node().await;
    // One node alone leases more than it needs; the other still finds all that is left.
    for _ in 0..20 {
        ask(&world.gateway, ada).await.unwrap();
    }
    let leased = world.number("SELECT api_calls::bigint FROM gateway.quota_leases").await;
    assert!(leased > 1, "nothing is leased ahead");
    let calls = join_all((0..64).map(|number| {
        let node = if number % 2 == 0 { &world.gateway } else { &other };
        async move {
            let mut passed = 0;
            for _ in 0..4 {
                match ask(node, ada).await {
                    Ok(()) => passed += 1,
                    Err(error) => assert_eq!(error.code(), "quota_exceeded"),
                }
            }
            passed
        }
    }));
    assert_eq!(calls.await.iter().sum::<i32>(), 180);
    other.flush().await;
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn what_nobody_uses_is_given_back_by_itself() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    limit(&world, "users", ada, json!({"max_api_calls": 1000})).await;
    ask(&world.gateway, ada).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_leases").await, 1);
    for _ in 0..1000 {
        if world.number("SELECT count(*) FROM gateway.quota_leases").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still leased after ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_cost_settle_to_the_providers_figures() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for model in ["ok", "cut", "no-usage", "gated", "status-500"] {
        let id = world.model("ada", &provider, model, "chat").await;
        let price = json!({"input_price": "1", "output_price": "2"});
        let path = format!("/api/v1/models/{id}");
        assert_eq!(world.send("ada", "PATCH", &path, price).await.0, StatusCode::OK);
    }
    limit(&world, "users", ada, json!({"max_tokens": 1_000_000, "max_cost": "10"})).await;
    let quota = async || {
        world.gateway.flush().await;
        let path = format!("/api/v1/quotas/users/{ada}");
        world.send("root", "GET", &path, Value::Null).await.1
    };
    // 3 tokens of the prompt and 5 of the answer, streamed or not.
    for (stream, tokens, cost) in [(false, "8", "0.000013"), (true, "16", "0.000026")] {
        world.send("ada", "POST", "/v1/chat/completions", body("ok", stream)).await;
        let quota = quota().await;
        assert_eq!(figures(&quota, "tokens"), (tokens.into(), "0".into()));
        assert_eq!(figures(&quota, "cost"), (cost.into(), "0".into()));
    }
    // A refused call costs a call and nothing else.
    world.send("ada", "POST", "/v1/chat/completions", body("status-500", false)).await;
    assert_eq!(figures(&quota().await, "tokens").0, "16");
    // Broken and uncounted ones cost what was estimated.
    for model in ["cut", "no-usage"] {
        let before: i64 = figures(&quota().await, "tokens").0.parse().unwrap();
        world.send("ada", "POST", "/v1/chat/completions", body(model, true)).await;
        let after: i64 = figures(&quota().await, "tokens").0.parse().unwrap();
        assert!(after > before && after < before + 50, "{model}: {before} {after}");
    }
    // While a call runs its reservation stands; cancelled, it is what it took so far.
    let response = world.open("ada", "POST", "/v1/chat/completions", body("gated", true)).await;
    let mut running = response.into_body().into_data_stream();
    world.upstream.release(1);
    running.next().await.unwrap().unwrap();
    let (before, held) = figures(&quota().await, "tokens");
    assert!(held.parse::<i64>().unwrap() > 50, "{held}");
    drop(running);
    world.upstream.wait_for(|upstream| upstream.abandoned() >= 1).await;
    let (after, held) = figures(&quota().await, "tokens");
    assert_eq!(held, "0");
    assert!(after.parse::<i64>().unwrap() > before.parse::<i64>().unwrap());
    assert_books_agree(&world).await;
    assert_eq!(figures(&quota().await, "api_calls").0, "6");
}

fn question() -> ChatRequest {
    ChatRequest::new("", vec![ChatMessage::text(Role::User, "one two three")])
}

async fn ask(gateway: &Gateway, user: Uuid) -> Result<(), GatewayError> {
    let model = gateway.resolve_chat_model(user, None).await?;
    let context = CallContext::new(user, Purpose::Chat);
    let mut stream = gateway.chat(context, &model, question()).await?;
    while let Some(event) = stream.next().await {
        event?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_reserved_is_free_again() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let gated: Uuid = world.model("ada", &provider, "gated", "chat").await.parse().unwrap();
    limit(&world, "users", ada, json!({"max_api_calls": 1})).await;
    // Another node, on a runtime that ends without running anything to its end, and whose connection
    // to the ledger ends with it.
    let mut owner = world.test.owner.connect().await.unwrap();
    let (started, running) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let world = &world;
        let process = scope.spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (stream, node) = runtime.block_on(async {
                let node = world.node().await;
                let model = node.resolve_chat_model(ada, Some(gated)).await.unwrap();
                let context = CallContext::new(ada, Purpose::Chat);
                let mut stream = node.chat(context, &model, question()).await.unwrap();
                assert!(matches!(stream.next().await, Some(Ok(ChatEvent::Started { .. }))));
                (stream, node)
            });
            started.send(()).unwrap();
            ended.recv().unwrap();
            runtime.shutdown_background();
            std::mem::forget((stream, node));
        });
        tokio::task::block_in_place(|| running.recv().unwrap());
        let refused = |status| assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        let here = tokio::runtime::Handle::current();
        let retry =
            || tokio::task::block_in_place(|| here.block_on(call(world, "ada", "local-chat")));
        let holder = sqlx::query_scalar::<_, i32>(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        let holder = holder.fetch_one(&mut owner);
        let holder = tokio::task::block_in_place(|| here.block_on(holder)).unwrap();
        // It lives, so what it holds is held.
        refused(retry().0);
        end.send(()).unwrap();
        process.join().unwrap();
        let killed = sqlx::query("SELECT pg_terminate_backend($1)").bind(holder);
        let killed = killed.execute(&mut owner);
        tokio::task::block_in_place(|| here.block_on(killed)).unwrap();
        let mut status = StatusCode::TOO_MANY_REQUESTS;
        for _ in 0..500 {
            status = retry().0;
            if status == StatusCode::OK {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(status, StatusCode::OK, "the dead still hold it");
        refused(retry().0);
    });
    assert_books_agree(&world).await;
    assert_eq!(world.ledger().await.len(), 1);
}

#[tokio::test]
async fn the_strictest_of_user_group_and_key_wins_and_says_so() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let bob = world.user("bob").await;
    let key = world.key(ada, "ada-key").await;
    let group = world.group("team", &[ada, bob]).await;
    limit(&world, "users", ada, json!({"max_api_calls": 5})).await;
    limit(&world, "groups", group, json!({"max_api_calls": 4, "timezone": "Asia/Tokyo"})).await;
    limit(&world, "api-keys", key, json!({"max_api_calls": 2})).await;
    let refusal = async |who: &str| {
        let response = world.open(who, "POST", "/v1/chat/completions", body("local-chat", false));
        let response = response.await;
        if response.status() == StatusCode::OK {
            return None;
        }
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait = response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
        assert!(wait > 1, "until the month ends: {wait}");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Some(serde_json::from_slice::<Value>(&bytes).unwrap()["error"].clone())
    };
    assert_eq!(refusal("ada-key").await, None);
    assert_eq!(refusal("ada-key").await, None);
    let error = refusal("ada-key").await.unwrap();
    assert_eq!((&error["code"], &error["type"]), (&json!("insufficient_quota"), &error["code"]));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("This API key's quota of 2 API calls a month"), "{message}");
    assert!(message.contains("2 are used") && message.contains("(UTC)"), "{message}");
    // Without the key it goes on, until the group has no more.
    assert_eq!(refusal("ada").await, None);
    assert_eq!(refusal("bob").await, None);
    let error = refusal("ada").await.unwrap();
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Your group's quota of 4 API calls a month"), "{message}");
    assert!(message.contains("(Asia/Tokyo)"), "{message}");
    // The same as problem+json says it to conversations.
    let error = ask(&world.gateway, ada).await.unwrap_err();
    assert_eq!(error.code(), "quota_exceeded");
    let members = error.extensions();
    assert_eq!((&members["scope"], &members["limit"]), (&json!("group"), &json!("4")));
    assert_eq!((&members["resource"], &members["used"]), (&json!("api_calls"), &json!("4")));
    assert!(members["resets_at"].as_str().unwrap().parse::<DateTime<Utc>>().is_ok());
    assert_books_agree(&world).await;
    // Who leaves a group is bound by it no more, at once.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("DELETE FROM identity.group_members").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    for _ in 0..200 {
        match refusal("bob").await {
            None => return,
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("bob is bound by a group that he left a second ago");
}

#[tokio::test]
async fn a_month_begins_where_the_person_is_also_over_a_change_of_the_clocks() {
    let clock = Clock::fixed("2026-09-30T21:30:00Z".parse().unwrap());
    let world = World::at(GatewaySettings::default(), clock.clone()).await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let move_to = async |zone: &str| {
        let mut tx = world.test.db.begin_maintenance().await.unwrap();
        let moved = sqlx::query("UPDATE identity.users SET timezone = $2 WHERE id = $1")
            .bind(ada)
            .bind(zone)
            .execute(&mut *tx)
            .await;
        tx.commit().await.unwrap();
        moved.map(drop)
    };
    let unknown = move_to("Europe/Nowhere").await.unwrap_err();
    assert_eq!(lyceum_store::constraint(&unknown), Some("timezone_known"));
    move_to("Europe/Berlin").await.unwrap();
    limit(&world, "users", ada, json!({"max_api_calls": 1})).await;
    let resets_at = async || {
        let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
        mine["items"][0]["resources"][0]["resets_at"].as_str().unwrap().to_owned()
    };
    // Summer time: October begins at 22:00 UTC.
    assert_eq!(resets_at().await, "2026-09-30T22:00:00Z");
    ask(&world.gateway, ada).await.unwrap();
    let error = ask(&world.gateway, ada).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1800)));
    // A call that began in September and ends in October is September's.
    clock.advance(Duration::from_secs(1800));
    assert_eq!(resets_at().await, "2026-10-31T23:00:00Z");
    ask(&world.gateway, ada).await.unwrap();
    let error = ask(&world.gateway, ada).await.unwrap_err();
    // October has an hour more.
    assert_eq!(error.retry_after(), Some(Duration::from_secs((31 * 24 + 1) * 3600)));
    assert!(error.detail().contains("2026-11-01 (Europe/Berlin)"), "{}", error.detail());
    assert_books_agree(&world).await;
    clock.advance(Duration::from_secs((31 * 24 + 1) * 3600 - 1));
    ask(&world.gateway, ada).await.unwrap_err();
    clock.advance(Duration::from_secs(1));
    ask(&world.gateway, ada).await.unwrap();
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_late_row_of_the_month_before_does_not_count_for_the_new_one() {
    let clock = Clock::fixed("2026-10-31T23:59:59Z".parse().unwrap());
    let world = World::at(GatewaySettings::default(), clock.clone()).await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "gated", "chat").await;
    limit(&world, "users", ada, json!({"max_api_calls": 10})).await;
    let late = world.open("ada", "POST", "/v1/chat/completions", body("gated", true)).await;
    clock.advance(Duration::from_secs(2));
    ask(&world.gateway, ada).await.unwrap();
    world.upstream.release(100);
    axum::body::to_bytes(late.into_body(), usize::MAX).await.unwrap();
    assert_eq!(world.ledger().await.len(), 2);
    assert_books_agree(&world).await;
    let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
    assert_eq!(figures(&mine["items"][0], "api_calls"), ("1".into(), "0".into()));
}

#[tokio::test]
async fn at_four_fifths_there_is_a_warning_recorded_once() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    limit(&world, "users", ada, json!({"max_api_calls": 10})).await;
    let mut warned = Vec::new();
    for _ in 0..10 {
        let response = world.open("ada", "POST", "/v1/chat/completions", body("local-chat", false));
        let response = response.await;
        assert_eq!(response.status(), StatusCode::OK);
        let header = response.headers().get("x-lyceum-quota-warning");
        warned.extend(header.map(|value| value.to_str().unwrap().to_owned()));
    }
    assert_eq!(warned, ["user api_calls 80%", "user api_calls 90%", "user api_calls 100%"]);
    assert_eq!(world.number("SELECT count(*) FROM gateway.quota_warnings").await, 1);
    let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
    let resources = mine["items"][0]["resources"].as_array().unwrap();
    let told: Vec<_> = resources.iter().filter(|r| r["warned_at"].is_string()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["resource"], "api_calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_set_amid_calls_counts_each_of_them_once_on_every_node() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let group = world.group("team", &[ada]).await;
    let other = world.node().await;
    ask(&other, ada).await.unwrap();
    let calls = join_all((0..40).map(|number| {
        let node = if number % 2 == 0 { &world.gateway } else { &other };
        async move {
            for _ in 0..5 {
                ask(node, ada).await.unwrap();
            }
        }
    }));
    let setting = async {
        for quota in [json!({"max_api_calls": 100_000}), json!({"max_tokens": 9_000_000})] {
            tokio::time::sleep(Duration::from_millis(5)).await;
            limit(&world, "users", ada, quota.clone()).await;
            limit(&world, "groups", group, quota).await;
        }
    };
    tokio::join!(calls, setting);
    other.flush().await;
    assert_books_agree(&world).await;
    assert_eq!(world.number("SELECT min(used_api_calls) FROM identity.user_quotas").await, 201);
    // And the other node learns within a second that nothing is left.
    limit(&world, "users", ada, json!({"max_api_calls": 0})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&other, ada).await.unwrap_err().code(), "quota_exceeded");
    // Who moves keeps what was used.
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    sqlx::query("UPDATE identity.users SET timezone = 'Pacific/Auckland'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_books_agree(&world).await;
    assert_eq!(world.number("SELECT min(used_api_calls) FROM identity.user_quotas").await, 201);
}

#[tokio::test]
async fn whoever_moves_has_one_month_at_a_time_and_keeps_what_was_used() {
    let clock = Clock::fixed("2026-11-30T20:00:00Z".parse().unwrap());
    let world = World::at(GatewaySettings::default(), clock.clone()).await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    limit(&world, "users", ada, json!({"max_api_calls": 2})).await;
    // As when the person changes it, but by the clock of this test.
    let move_to = async |zone: &str| {
        let mut tx = world.test.db.begin_maintenance().await.unwrap();
        let quotas =
            "SELECT gateway.move_quotas(ARRAY(SELECT id FROM identity.user_quotas), $1, $2)";
        sqlx::query(quotas).bind(zone).bind(clock.now()).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let stands = async || {
        world.gateway.flush().await;
        let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
        let calls = mine["items"][0]["resources"][0].clone();
        assert_eq!(calls["resource"], "api_calls");
        let text = |name: &str| calls[name].as_str().unwrap().to_owned();
        (text("used"), text("resets_at"))
    };
    let refused = async || {
        assert_eq!(ask(&world.gateway, ada).await.unwrap_err().code(), "quota_exceeded");
        assert_books_agree(&world).await;
    };
    let november = |used: &str| (used.to_owned(), "2026-12-01T00:00:00Z".to_owned());
    ask(&world.gateway, ada).await.unwrap();
    // There it is December already, and there November for longer.
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Kiritimati"] {
        move_to(zone).await;
        assert_eq!(stands().await, november("1"), "{zone}");
    }
    ask(&world.gateway, ada).await.unwrap();
    refused().await;
    for zone in ["Etc/GMT+12", "UTC", "Pacific/Kiritimati", "Etc/GMT+12"] {
        move_to(zone).await;
        assert_eq!(stands().await, november("2"), "{zone}");
        refused().await;
    }
    // December begins where November ends, and ends where the person is since.
    clock.advance(Duration::from_secs(4 * 3600));
    let december = |used: &str| (used.to_owned(), "2027-01-01T12:00:00Z".to_owned());
    assert_eq!(stands().await, december("0"));
    for _ in 0..2 {
        ask(&world.gateway, ada).await.unwrap();
    }
    for zone in ["Pacific/Kiritimati", "UTC", "Etc/GMT+12", "Pacific/Kiritimati"] {
        refused().await;
        move_to(zone).await;
        assert_eq!(stands().await, december("2"), "{zone}");
    }
    // The place of the last move is ahead of the new year's first hour.
    clock.advance(Duration::from_secs(31 * 24 * 3600 + 12 * 3600));
    assert_eq!(stands().await, ("0".to_owned(), "2027-01-31T10:00:00Z".to_owned()));
    ask(&world.gateway, ada).await.unwrap();
    assert_books_agree(&world).await;
    assert_eq!(world.ledger().await.len(), 5);
}

#[tokio::test]
async fn only_those_with_the_right_set_quotas_and_each_sees_their_own() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let bob = world.user("bob").await;
    let key = world.key(ada, "ada-key").await;
    let path = format!("/api/v1/quotas/users/{ada}");
    let (status, _) = world.send("ada", "PUT", &path, json!({"max_tokens": 5})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for (kind, subject, body, status, code) in [
        ("users", Uuid::from_u128(7), json!({}), 404, "not_found"),
        ("users", ada, json!({"max_tokens": -1}), 422, "invalid_field"),
        ("users", ada, json!({"max_cost": "1000000000"}), 422, "invalid_field"),
        ("users", ada, json!({"timezone": "UTC"}), 422, "invalid_field"),
        ("api-keys", key, json!({"max_storage_bytes": -5}), 422, "invalid_field"),
    ] {
        let path = format!("/api/v1/quotas/{kind}/{subject}");
        let (answered, problem) = world.send("root", "PUT", &path, body).await;
        assert_eq!(
            (answered.as_u16(), problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
    }
    let group = world.group("team", &[ada]).await;
    let path = format!("/api/v1/quotas/groups/{group}");
    let body = json!({"timezone": "Mars/Olympus"});
    let (status, problem) = world.send("root", "PUT", &path, body).await;
    assert_eq!((status.as_u16(), &problem["field"]), (422, &json!("timezone")), "{problem}");

    limit(&world, "users", ada, json!({"max_tokens": 5})).await;
    limit(&world, "users", bob, json!({"max_tokens": 6})).await;
    limit(&world, "groups", group, json!({"max_cost": 1.5})).await;
    let label = limit(&world, "api-keys", key, json!({"max_api_calls": 7})).await["label"].clone();
    assert_eq!(label, "ada: ada-key");
    let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
    let mine: Vec<_> = mine["items"].as_array().unwrap().iter().map(|q| &q["scope"]).collect();
    assert_eq!(mine, ["user", "group", "api_key"]);
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let path = format!("/api/v1/quotas?limit=3{cursor}");
        let (status, page) = world.send("root", "GET", &path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        seen += page["items"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, 4);
    let gone = world.send("root", "DELETE", &path, Value::Null).await.0;
    assert_eq!(gone, StatusCode::NO_CONTENT);
    assert_eq!(world.send("root", "GET", &path, Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_stored_with_a_key_stands_at_its_quota() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let key = world.key(ada, "ada-key").await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    for sql in [
        "INSERT INTO knowledge.knowledge_bases
           (id, owner_id, name, collection_name, embedding_model, vector_dimension)
         VALUES ($1, $1, 'b', 'kb_' || md5($2::text), 'none', 2)",
        "INSERT INTO knowledge.documents
           (id, knowledge_base_id, uploaded_by, api_key_id, title, filename, file_path, file_size,
            mime_type, content_hash)
         SELECT app.new_id(), $1, $1, made.key, 't', 'f', 'p', size, 'text/plain',
                sha256(size::text::bytea)
         FROM (VALUES ($2::uuid, 300), (NULL, 4000)) AS made (key, size)",
    ] {
        sqlx::query(sql).bind(ada).bind(key).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    for (kind, subject, used) in [("api-keys", key, "300"), ("users", ada, "4300")] {
        let quota = limit(&world, kind, subject, json!({"max_storage_bytes": 5000})).await;
        assert_eq!(figures(&quota, "storage_bytes"), (used.to_owned(), "0".to_owned()), "{quota}");
    }
    let (_, mine) = world.send("ada", "GET", "/api/v1/quotas/me", Value::Null).await;
    assert_eq!(figures(&mine["items"][0], "storage_bytes").0, "300");
}
