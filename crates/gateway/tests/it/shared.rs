//! Several nodes with one Redis: limits and figures of all of them together.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use futures::future::join_all;
use lyceum_gateway::GatewaySettings;
use lyceum_testkit::RedisServer;
use serde_json::{Value, json};

use crate::world::{Node, World};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn world(server: &RedisServer) -> (World, Node) {
    let settings = || async {
        GatewaySettings { redis: Some(server.connect().await), ..GatewaySettings::default() }
    };
    let world = World::with(settings().await).await;
    let other = world.node_with(settings().await).await;
    world.admin("root").await;
    (world, other)
}

fn question() -> Value {
    json!({"model": "local-chat", "max_tokens": 10,
           "messages": [{"role": "user", "content": "one two three"}]})
}

async fn ask(node: &Node) -> (StatusCode, Value) {
    node.send("ada", "POST", "/v1/chat/completions", question()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_let_through_together_what_the_limit_says() {
    let server = RedisServer::start().await;
    let (world, other) = world(&server).await;
    let ada = world.user("ada").await;
    let limit = 20;
    for path in ["organization".to_owned(), format!("users/{ada}")] {
        let path = format!("/api/v1/rate-limits/{path}");
        let set = json!({"requests_per_minute": limit});
        let (status, answer) = world.send("root", "PUT", &path, set).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let here = world.as_node();
    let nodes = [&here, &other];
    let started = Instant::now();
    let answers = join_all((0..64).map(|caller| ask(nodes[caller % 2]))).await;
    let filled = started.elapsed().as_secs_f64() * f64::from(limit) / 60.0;
    let passed = answers.iter().filter(|(status, _)| *status == StatusCode::OK).count();
    let passed = f64::from(u32::try_from(passed).unwrap());
    let (least, most) = (f64::from(limit), f64::from(limit) + filled);
    assert!((least..=most).contains(&passed), "{passed} passed, {limit} and {filled} may");
    let refused = |(status, _): &&(StatusCode, Value)| *status != StatusCode::OK;
    for (status, answer) in answers.iter().filter(refused) {
        assert_eq!(*status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer["error"]["code"], "rate_limited", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_without_redis_and_share_again_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let (world, other) = world(&server).await;
    let ada = world.user("ada").await;
    let path = format!("/api/v1/rate-limits/users/{ada}");
    world.send("root", "PUT", &path, json!({"requests_per_minute": 3})).await;
    let here = world.as_node();
    assert_eq!(ask(&here).await.0, StatusCode::OK);
    server.kill();
    // Each node counts by itself now, with what it let through before.
    for (node, passes) in [(&here, 2), (&other, 3)] {
        for _ in 0..passes {
            assert_eq!(ask(node).await.0, StatusCode::OK);
        }
        assert_eq!(ask(node).await.0, StatusCode::TOO_MANY_REQUESTS);
    }
    server.start_again().await;
    let all_nodes = async {
        while scope(&world).await != "all_nodes" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // It came back empty.
        while ask(&other).await.0 != StatusCode::OK {}
    };
    tokio::time::timeout(PATIENCE, all_nodes).await.expect("Redis never counted again");
    let redis = server.connect().await;
    let key = format!("lyceum:{{rate_limit}}:user:{}:requests", ada.simple());
    let ttl: i64 = redis.ask(lyceum_store::redis::cmd("TTL").arg(key)).await.unwrap();
    assert!((1..=3600).contains(&ttl), "{ttl}");
}

async fn scope(world: &World) -> Value {
    let (_, view) = world.send("root", "GET", "/api/v1/live", Value::Null).await;
    view["overall"]["scope"].clone()
}

/// Waits until `node` says of all what it should.
async fn until(node: &Node, wanted: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    let waiting = async {
        while !wanted(&last) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            (_, last) = node.send("root", "GET", "/api/v1/live", Value::Null).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
    assert!(in_time, "the figures never were right: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_count_together_what_runs_ended_and_who_is_there() {
    let mut server = RedisServer::start().await;
    let (world, other) = world(&server).await;
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let here = world.as_node();
    until(&here, |view| view["overall"]["nodes"] == 2).await;
    let count = json!({"calls": 3, "tokens": 24, "errors": 0});
    for node in [&here, &here, &other] {
        assert_eq!(ask(node).await.0, StatusCode::OK);
    }
    // It runs as long as nobody reads its answer.
    let mut streamed = question();
    streamed["stream"] = json!(true);
    let running = world.open("ada", "POST", "/v1/chat/completions", streamed).await;
    world.gateway.saw(ada);
    other.gateway.saw(ada);
    other.gateway.saw(bob);
    for node in [&here, &other] {
        until(node, |view| {
            let windows = ["last_minute", "last_hour", "last_day"];
            windows.iter().all(|window| view["counters"][window] == count)
                && view["overall"]["running"] == 1
                && view["overall"]["online_users"] == 2
        })
        .await;
    }
    let (_, mine) = other.send("ada", "GET", "/api/v1/live", Value::Null).await;
    assert_eq!((mine.get("overall"), mine.get("counters")), (None, None));
    let redis = server.connect().await;
    let key = "lyceum:{metrics}:api_calls:current_minute";
    let minute: Option<u64> = redis.ask(lyceum_store::redis::cmd("GET").arg(key)).await.unwrap();
    assert!(minute.is_none_or(|calls| calls <= 3), "a new minute may have begun");
    drop(running);
    until(&other, |view| view["overall"]["running"] == 0).await;
    // Without it each says what it knows.
    server.kill();
    until(&other, |view| view["overall"]["scope"] == "node").await;
    until(&other, |view| view["counters"]["last_minute"]["calls"] == 1).await;
    // What ended meanwhile is told afterwards.
    assert_eq!(ask(&here).await.0, StatusCode::OK);
    server.start_again().await;
    until(&other, |view| view["counters"]["last_hour"]["calls"].as_u64() >= Some(1)).await;
}
