//! Kept answers and rights, limits, quotas, changes and other nodes; and equal requests at once.

use std::time::Duration;

use axum::http::StatusCode;
use futures::future::join_all;
use lyceum_store::Redis;
use lyceum_store::redis::cmd;
use lyceum_testkit::RedisServer;
use serde_json::{Value, json};

use crate::caching::{CHAT, ask_at};
use crate::said::{RESPONSES, question};
use crate::world::World;

/// Asks until the answer is no kept one any more.
async fn until_not_kept(app: &axum::Router, who: &str, body: &Value) -> StatusCode {
    let asking = async {
        loop {
            let out = ask_at(app, who, CHAT, body, "").await;
            if out.cache() != Some("hit") {
                return out.status;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(1), asking).await;
    waited.unwrap_or_else(|_| panic!("it is still kept"))
}

#[tokio::test]
async fn what_is_taken_back_or_changed_on_one_node_is_not_answered_on_another() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    let (provider, model) = world.shared("root", "Company", "shared").await;
    world.change_model("root", &model, json!({"cache": true})).await;
    let given = format!("/api/v1/providers/{provider}/distributions");
    let give = json!({"user_ids": [ada]});
    assert_eq!(world.send("root", "POST", &given, give.clone()).await.0, StatusCode::OK);
    let other = world.second_node().await;
    let body = question(CHAT, "shared", false);
    for expected in ["miss", "hit"] {
        assert_eq!(ask_at(&other, "ada", CHAT, &body, "").await.cache(), Some(expected));
    }
    let (provider, model) =
        (format!("/api/v1/providers/{provider}"), format!("/api/v1/models/{model}"));
    for (path, change) in [
        (&model, json!({"temperature": 0.5})),
        (&model, json!({"options": {"top_p": 0.5}})),
        (&model, json!({"input_price": 7})),
        (&provider, json!({"name": "The company"})),
        (&provider, json!({"config": {"idle_timeout_seconds": 2}})),
    ] {
        let (status, view) = world.send("root", "PATCH", path, change.clone()).await;
        assert_eq!(status, StatusCode::OK, "{view}");
        assert_eq!(until_not_kept(&other, "ada", &body).await, StatusCode::OK, "{change}");
        assert_eq!(ask_at(&other, "ada", CHAT, &body, "").await.cache(), Some("hit"), "{change}");
    }
    let (_, list) = world.send("root", "GET", &given, Value::Null).await;
    let of_ada = list["items"].as_array().unwrap().iter().find(|row| row["user_id"] == json!(ada));
    let row = format!("{given}/{}", of_ada.unwrap()["id"].as_str().unwrap());
    let calls = world.upstream.calls();
    assert_eq!(world.send("root", "DELETE", &row, Value::Null).await.0, StatusCode::NO_CONTENT);
    assert_eq!(until_not_kept(&other, "ada", &body).await, StatusCode::NOT_FOUND);
    assert_eq!(world.upstream.calls(), calls);
    // Given again, what was kept is right still.
    assert_eq!(world.send("root", "POST", &given, give).await.0, StatusCode::OK);
    world.forget("ada");
    assert_eq!(ask_at(&other, "ada", CHAT, &body, "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nodes_share_their_answers_on_redis_and_do_without_it() {
    let world = World::new().await;
    world.user("ada").await;
    let mut server = RedisServer::start().await;
    let other = world.sharing_node(&server).await;
    let id = world.keeping("ada", "ok").await;
    let redis = server.connect().await;
    let body = question(CHAT, "ok", false);
    let first = world.ask("ada", CHAT, &body, "").await;
    assert_eq!(first.cache(), Some("miss"));
    let mut keys = cmd("KEYS");
    keys.arg(Redis::key("inference:*"));
    let kept = async {
        while redis.ask::<Vec<String>>(&keys).await.is_none_or(|keys| keys.is_empty()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), kept).await.unwrap();
    let out = ask_at(&other, "ada", CHAT, &body, "").await;
    assert_eq!((out.cache(), &out.text), (Some("hit"), &first.text));
    assert_eq!(world.upstream.calls(), 1);
    // What was kept before a change is nobody's after it, also on Redis.
    world.change_model("ada", &id, json!({"max_tokens": 50})).await;
    assert_eq!(until_not_kept(&other, "ada", &body).await, StatusCode::OK);
    server.kill();
    let other_question = question(CHAT, "ok", true);
    for expected in ["miss", "hit"] {
        let out = world.ask("ada", CHAT, &other_question, "").await;
        assert_eq!((out.status, out.cache()), (StatusCode::OK, Some(expected)));
    }
}

#[tokio::test]
async fn a_kept_answer_counts_as_a_request_and_nothing_else() {
    let world = World::new().await;
    world.admin("root").await;
    let ada = world.user("ada").await;
    world.keeping("ada", "ok").await;
    let quota = format!("/api/v1/quotas/users/{ada}");
    let limits = json!({"max_api_calls": 100, "max_tokens": 100_000});
    let (status, view) = world.send("root", "PUT", &quota, limits.clone()).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let body = question(CHAT, "ok", false);
    for _ in 0..3 {
        assert_eq!(world.ask("ada", CHAT, &body, "").await.status, StatusCode::OK);
    }
    let counted = async || {
        world.gateway.flush().await;
        let calls = world.number("SELECT used_api_calls FROM identity.user_quotas").await;
        (calls, world.number("SELECT used_tokens FROM identity.user_quotas").await)
    };
    let spent = world.number(
        "SELECT sum(prompt_tokens + completion_tokens)::bigint FROM gateway.usage_statistics
         WHERE NOT cache_hit",
    );
    assert_eq!(counted().await, (3, spent.await));
    let once = counted().await;
    // Counted anew from the ledger it is the same.
    let recount =
        "SELECT count(gateway.recount_quota(id, clock_timestamp())) FROM identity.user_quotas";
    world.number(recount).await;
    assert_eq!(counted().await, once);

    let path = format!("/api/v1/rate-limits/users/{ada}");
    let (status, view) = world.send("root", "PUT", &path, json!({"requests_per_minute": 2})).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.ask("ada", CHAT, &body, "").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_kept_answer_is_marked_in_the_list_and_in_the_file() {
    let world = World::new().await;
    world.user("ada").await;
    world.keeping("ada", "ok").await;
    let body = question(CHAT, "ok", false);
    for _ in 0..2 {
        world.ask("ada", CHAT, &body, "").await;
    }
    world.gateway.flush().await;
    let (_, list) = world.send("ada", "GET", "/api/v1/usage/calls", Value::Null).await;
    let hits = [&list["items"][0], &list["items"][1]].map(|call| &call["cache_hit"]);
    assert_eq!(hits, [&json!(true), &json!(false)]);
    assert_eq!(list["items"][0]["cost"], "0");
    let (_, file) = world.send("ada", "GET", "/api/v1/usage/export", Value::Null).await;
    let lines: Vec<&str> = file.as_str().unwrap().lines().collect();
    let told = |line: &str| line.rsplit(',').nth(1).unwrap().to_owned();
    assert_eq!([told(lines[0]), told(lines[1]), told(lines[2])], ["cache_hit", "true", "false"]);
}

#[tokio::test]
async fn of_equal_requests_at_once_one_is_asked() {
    let world = World::new().await;
    world.user("ada").await;
    // Made of a stream, which the upstream holds back.
    world.keeping("ada", "gated").await;
    let body = question(RESPONSES, "gated", false);
    let asking = join_all((0..5).map(|_| world.ask("ada", RESPONSES, &body, "")));
    let releasing = async {
        world.upstream.wait_for(|upstream| upstream.calls_of("gated") == 1).await;
        world.upstream.release(1000);
    };
    let (outs, ()) = tokio::join!(asking, releasing);
    let hits = outs.iter().filter(|out| out.cache() == Some("hit")).count();
    assert!(outs.iter().all(|out| out.status == StatusCode::OK && out.text == outs[0].text));
    assert_eq!((hits, world.upstream.calls_of("gated")), (4, 1));
    let rows = world.ledger().await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row.cache_hit).count()), (5, 4));
}

#[tokio::test]
async fn where_the_one_that_is_asked_goes_away_another_is() {
    let world = World::new().await;
    world.user("ada").await;
    world.keeping("ada", "gated").await;
    let body = question(RESPONSES, "gated", false);
    let mut leader = Box::pin(world.ask("ada", RESPONSES, &body, ""));
    let asked =
        |calls| world.upstream.wait_for(move |upstream| upstream.calls_of("gated") == calls);
    tokio::select! {
        _ = &mut leader => panic!("it was not released"),
        () = asked(1) => {}
    }
    let others = join_all((0..3).map(|_| world.ask("ada", RESPONSES, &body, "")));
    let going = async {
        drop(leader);
        asked(2).await;
        world.upstream.release(1000);
    };
    let (outs, ()) = tokio::join!(others, going);
    assert!(outs.iter().all(|out| out.status == StatusCode::OK));
    assert_eq!(world.upstream.calls_of("gated"), 2);
    let mut statuses: Vec<_> =
        world.ledger().await.into_iter().map(|row| (row.status, row.cache_hit)).collect();
    statuses.sort_unstable();
    let completed = |hit| ("completed".to_owned(), hit);
    let expected =
        [("cancelled".to_owned(), false), completed(false), completed(true), completed(true)];
    assert_eq!(statuses, expected);
}

#[tokio::test]
async fn where_the_one_that_is_asked_fails_each_of_the_others_asks() {
    let world = World::new().await;
    world.user("ada").await;
    world.keeping("ada", "flaky-1").await;
    let body = question(CHAT, "flaky-1", false);
    let outs = join_all((0..4).map(|_| world.ask("ada", CHAT, &body, ""))).await;
    let failed = outs.iter().filter(|out| out.status != StatusCode::OK).count();
    assert_eq!(failed, 1);
    assert_eq!(world.ask("ada", CHAT, &body, "").await.cache(), Some("hit"));
}
