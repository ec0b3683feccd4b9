//! What runs now.

use axum::body::BodyDataStream;
use axum::http::StatusCode;
use futures::StreamExt as _;
use futures::future::join_all;
use lyceum_gateway::{CallContext, Purpose};
use lyceum_llm::{ChatMessage, ChatRequest, Role};
use serde_json::{Value, json};

use crate::world::World;

fn body(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream,
        "messages": [{"role": "user", "content": "one two three"}]})
}

async fn live(world: &World, who: &str) -> Value {
    let (status, view) = world.send(who, "GET", "/api/v1/live", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{view}");
    view
}

/// The next event of a stream as JSON, comments left out.
async fn next(events: &mut BodyDataStream, kept: &mut String) -> Option<Value> {
    loop {
        if let Some((event, rest)) = kept.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let data = data.map(|data| serde_json::from_str(data).unwrap());
            *kept = rest.to_owned();
            match data {
                Some(data) => return Some(data),
                None => continue,
            }
        }
        kept.push_str(std::str::from_utf8(&events.next().await?.unwrap()).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_shown_while_it_runs_and_to_whom_it_concerns() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.user("bob").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "gated", "chat").await;
    let mut following = world
        .open("root", "GET", "/api/v1/live/events", Value::Null)
        .await
        .into_body()
        .into_data_stream();
    let mut kept = String::new();
    let first = next(&mut following, &mut kept).await.unwrap();
    assert_eq!(first["items"], json!([]));

    let response = world.open("ada", "POST", "/v1/chat/completions", body("gated", true)).await;
    let mine = live(&world, "ada").await;
    let call = &mine["items"][0];
    assert_eq!((&call["model"], &call["provider"]), (&json!("gated"), &json!("custom")));
    assert_eq!(
        (&call["purpose"], &call["surface"]),
        (&json!("api"), &json!("/v1/chat/completions"))
    );
    assert_eq!((&call["state"], &call["tokens"]), (&json!("waiting"), &json!(0)));
    assert_eq!((&call["user_id"], &mine["running"]), (&json!(ada), &json!(1)));
    assert_eq!(mine.get("counters"), None, "what others do is not hers to know");
    assert_eq!(live(&world, "bob").await["items"], json!([]));
    assert_eq!(live(&world, "root").await["items"][0]["user"], "ada");
    let told = next(&mut following, &mut kept).await.unwrap();
    assert_eq!(told["items"][0]["id"], call["id"]);

    let mut answer = response.into_body().into_data_stream();
    world.upstream.release(2);
    while live(&world, "ada").await["items"][0]["state"] != "answering" {
        answer.next().await.unwrap().unwrap();
    }
    assert!(live(&world, "ada").await["items"][0]["tokens"].as_u64().unwrap() > 0);
    world.upstream.release(100);
    while let Some(piece) = answer.next().await {
        piece.unwrap();
    }
    let all = live(&world, "root").await;
    assert_eq!((&all["items"], &all["running"]), (&json!([]), &json!(0)));
    for window in ["last_minute", "last_hour", "last_day"] {
        assert_eq!(all["counters"][window], json!({"calls": 1, "tokens": 8, "errors": 0}));
    }
    // The follower hears of it, and no more once the right is gone.
    while next(&mut following, &mut kept).await.unwrap()["running"] != 0 {}
    world.forget("root");
    assert_eq!(next(&mut following, &mut kept).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_calls_however_they_end() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    world.admin("root").await;
    let provider = world.provider("ada", "mock").await;
    let models = ["ok", "status-500", "cut", "garbage", "stall", "hang", "embedder"];
    for model in models {
        let kind = if model == "embedder" { "embedding" } else { "chat" };
        world.model("ada", &provider, model, kind).await;
    }
    // What is cancelled and killed below must not end by itself before.
    let patient = json!({"first_byte_timeout_seconds": 300, "idle_timeout_seconds": 300});
    let url = world.upstream.base_url.clone();
    let patient = world.provider_of("ada", "custom", "patient", &url, patient).await;
    world.model("ada", &patient, "gated", "chat").await;
    let silent =
        json!({"provider_config_id": patient, "name": "silent", "model": "hang", "kind": "chat"});
    let (status, view) = world.send("ada", "POST", "/api/v1/models", silent).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    // Failing, whole and streamed.
    let failing = models[..6].iter().flat_map(|model| {
        [false, true].map(|stream| {
            let body = body(model, stream);
            let world = &world;
            async move { world.send("ada", "POST", "/v1/chat/completions", body).await }
        })
    });
    join_all(failing).await;
    let embedding = json!({"model": "embedder", "input": "one two"});
    world.send("ada", "POST", "/v1/embeddings", embedding).await;
    // Cancelled by going away.
    let response = world.open("ada", "POST", "/v1/chat/completions", body("gated", true)).await;
    assert_eq!(live(&world, "root").await["running"], 1);
    drop(response);
    // Killed, before the answer begins and while it comes.
    let model = world.gateway.resolve_chat_model(ada, None).await.unwrap();
    let request = ChatRequest::new("x", vec![ChatMessage::text(Role::User, "one")]);
    let stream =
        world.gateway.chat(CallContext::new(ada, Purpose::Chat), &model, request).await.unwrap();
    let task = tokio::spawn(async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    });
    let (gateway, waiting) = (world.app.clone(), body("silent", false));
    let mut killed = tokio::spawn(async move {
        let request = http::Request::post("/v1/chat/completions")
            .header("authorization", "Bearer ada")
            .header("content-type", "application/json")
            .body(axum::body::Body::from(waiting.to_string()))
            .unwrap();
        let response = tower::ServiceExt::oneshot(gateway, request).await.unwrap();
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
    });
    while live(&world, "root").await["running"] != 2 {
        if killed.is_finished() {
            panic!("it ended before it was killed: {:?}", (&mut killed).await);
        }
        tokio::task::yield_now().await;
    }
    task.abort();
    killed.abort();
    let _ = (task.await, killed.await);
    let all = live(&world, "root").await;
    assert_eq!((&all["items"], &all["running"]), (&json!([]), &json!(0)));
    let rows = world.ledger().await;
    let count = &all["counters"]["last_minute"];
    assert_eq!(count["calls"], rows.len());
    assert_eq!(count["errors"], rows.iter().filter(|row| row.status == "failed").count());
    let tokens: i64 = rows.iter().map(|row| row.prompt_tokens + row.completion_tokens).sum();
    assert_eq!(count["tokens"], tokens);
}
