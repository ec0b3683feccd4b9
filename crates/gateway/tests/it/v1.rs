use axum::body::to_bytes;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use lyceum_gateway::GatewaySettings;
use serde_json::{Value, json};

use crate::world::{World, events, text_of};

const CHAT: &str = "/v1/chat/completions";

fn question(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream,
           "messages": [{"role": "user", "content": "one two three"}]})
}

#[tokio::test]
async fn both_ways_to_a_model_answer_in_openais_form() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    for model in ["ok", "local-chat"] {
        let (status, answer) = world.send("ada", "POST", CHAT, question(model, false)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["object"], "chat.completion");
        let choice = &answer["choices"][0];
        assert_eq!(
            choice["message"],
            json!({"role": "assistant", "content": "You said: one two three"})
        );
        assert_eq!(choice["finish_reason"], "stop");
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
        assert_eq!(answer["usage"], usage);

        let response = world.open("ada", "POST", CHAT, question(model, true)).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-lyceum-model"], model);
        assert!(response.headers().contains_key("x-request-id"));
        drop(response);

        let (_, stream) = world.send("ada", "POST", CHAT, question(model, true)).await;
        let events = events(&stream);
        assert_eq!(text_of(&events), "You said: one two three");
        assert_eq!(events.last().unwrap(), "[DONE]");
        // Usage that was asked for by us alone is kept back, and given to those who ask.
        assert!(!stream.as_str().unwrap().contains("prompt_tokens"), "{stream}");
        let mut body = question(model, true);
        body["stream_options"] = json!({"include_usage": true});
        let (_, stream) = world.send("ada", "POST", CHAT, body).await;
        let chunks: Vec<Value> = crate::world::events(&stream)
            .iter()
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect();
        let last = chunks.last().unwrap();
        assert_eq!((&last["usage"], &last["choices"]), (&usage, &json!([])));
        let before = &chunks[chunks.len() - 2];
        assert_eq!(before["choices"][0]["finish_reason"], "stop");
    }
    let statuses: Vec<_> = world.ledger().await.into_iter().map(|row| row.status).collect();
    assert_eq!(statuses.iter().filter(|status| *status == "completed").count(), 6);
    assert_eq!(statuses.iter().filter(|status| *status == "cancelled").count(), 2);
}

#[tokio::test]
async fn refusals_have_openais_form() {
    let settings = GatewaySettings { max_body_bytes: 2000, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    world.user("ada").await;
    let mut large = question("local-chat", false);
    large["messages"][0]["content"] = json!("x".repeat(3000));
    let mut no_messages = question("local-chat", false);
    no_messages["messages"] = json!([]);
    let mut several = question("local-chat", false);
    several["n"] = json!(2);
    for (who, path, body, status, code) in [
        ("nobody", CHAT, question("local-chat", false), 401, "invalid_api_key"),
        ("ada", CHAT, question("gpt-9", false), 404, "model_not_found"),
        ("ada", CHAT, large, 413, "body_too_large"),
        ("ada", CHAT, json!([1]), 400, "malformed_json"),
        ("ada", CHAT, json!({"messages": []}), 400, "missing_field"),
        ("ada", CHAT, json!({"model": 7}), 400, "invalid_field"),
        ("ada", CHAT, no_messages, 400, "invalid_field"),
        ("ada", CHAT, several, 400, "invalid_field"),
        ("ada", CHAT, question("local-embedding", false), 400, "wrong_model_kind"),
        ("ada", "/v1/embeddings", json!({"model": "local-embedding"}), 400, "missing_field"),
        (
            "ada",
            "/v1/embeddings",
            json!({"model": "local-embedding", "input": [[1, 2]]}),
            400,
            "invalid_input",
        ),
        (
            "ada",
            "/v1/embeddings",
            json!({"model": "local-embedding", "input": []}),
            400,
            "invalid_input",
        ),
        (
            "ada",
            "/v1/embeddings",
            json!({"model": "local-embedding", "input": "a", "dimensions": 3}),
            400,
            "invalid_field",
        ),
    ] {
        let (got, answer) = world.send(who, "POST", path, body).await;
        assert_eq!(got.as_u16(), status, "{answer}");
        let error = &answer["error"];
        assert_eq!(error["code"], code, "{answer}");
        assert!(error["message"].is_string() && error["type"].is_string(), "{answer}");
    }
    let (_, answer) = world.send("ada", "POST", CHAT, question("gpt-9", false)).await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(message, "There is no model 'gpt-9'. Available: local-chat.");
    assert!(world.ledger().await.is_empty());
}

#[tokio::test]
async fn a_providers_failures_are_passed_on_and_recorded() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for (model, status, code) in [
        ("status-401", 502, "provider_unauthorized"),
        ("status-429", 429, "provider_rate_limited"),
        ("status-500", 502, "provider_failed"),
        ("hang", 504, "provider_timeout"),
        ("cut", 502, "provider_stream_broken"),
        ("garbage", 502, "provider_malformed"),
    ] {
        world.model("ada", &provider, model, "chat").await;
        let response = world.open("ada", "POST", CHAT, question(model, false)).await;
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
        drop(response);
        let (got, answer) = world.send("ada", "POST", CHAT, question(model, false)).await;
        assert_eq!((got.as_u16(), &answer["error"]["code"]), (status, &json!(code)), "{model}");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.error_code.as_deref()), ("failed", Some(code)));
    }
    // Inside a stream the failure is its last event, and there is no [DONE].
    for (model, code) in [
        ("half-frame", "provider_stream_broken"),
        ("stream-error", "provider_failed"),
        ("stall", "provider_timeout"),
        ("garbage", "provider_malformed"),
    ] {
        if model != "garbage" {
            world.model("ada", &provider, model, "chat").await;
        }
        let (status, stream) = world.send("ada", "POST", CHAT, question(model, true)).await;
        assert_eq!(status, StatusCode::OK, "{model}: {stream}");
        let last: Value = serde_json::from_str(events(&stream).last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], code, "{model}");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.error_code.as_deref(), row.estimated), (Some(code), true), "{model}");
        assert!(row.prompt_tokens > 0);
    }
    // A connection that breaks may do so before the stream has begun.
    world.model("ada", &provider, "second-cut", "chat").await;
    for model in ["cut", "second-cut"] {
        let (status, answer) = world.send("ada", "POST", CHAT, question(model, true)).await;
        let code = match status {
            StatusCode::OK => serde_json::from_str(events(&answer).last().unwrap()).unwrap(),
            _ => answer,
        };
        assert_eq!(code["error"]["code"], "provider_stream_broken", "{model}");
        assert_eq!(world.ledger().await.pop().unwrap().status, "failed", "{model}");
    }
    for model in ["no-usage", "no-done"] {
        world.model("ada", &provider, model, "chat").await;
        let (_, stream) = world.send("ada", "POST", CHAT, question(model, true)).await;
        let events = events(&stream);
        assert_eq!(text_of(&events), "You said: one two three");
        assert_eq!(events.last().unwrap(), "[DONE]");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.estimated), ("completed", model == "no-usage"));
        assert!(row.prompt_tokens > 0 && row.completion_tokens > 0);
    }
}

#[tokio::test]
async fn when_the_client_goes_the_provider_is_told() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "gated", "chat").await;
    let response = world.open("ada", "POST", CHAT, question("gated", true)).await;
    let mut pieces = response.into_body().into_data_stream();
    world.upstream.release(2);
    let mut read = String::new();
    while !read.contains("said") {
        read.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
    }
    drop(pieces);
    world.upstream.wait_for(|upstream| upstream.abandoned() == 1).await;
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.status.as_str(), row.estimated), ("cancelled", true));
    assert!(row.completion_tokens > 0 && row.first_token_ms.is_some(), "{row:?}");
}

#[tokio::test]
async fn what_we_do_not_know_is_passed_on() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    let mut body = question("ok", false);
    body["reasoning_effort"] = json!("low");
    body["metadata"] = json!({"a": [1, {"b": null}]});
    body["logit_bias"] = json!({"50256": -100});
    assert_eq!(world.send("ada", "POST", CHAT, body.clone()).await.0, StatusCode::OK);
    assert_eq!(world.upstream.requests().pop().unwrap().body, body);
}

#[tokio::test]
async fn embeddings_come_in_both_encodings() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "embedder", "embedding").await;
    let ask = async |model: &str, format: &str| {
        let body = json!({"model": model, "input": ["a b", "c"], "encoding_format": format});
        let (status, answer) = world.send("ada", "POST", "/v1/embeddings", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["usage"]["prompt_tokens"], 3);
        answer
    };
    let floats = ask("local-embedding", "float").await;
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_eq!(floats["data"][1]["index"], 1);
    assert_eq!(floats["data"][0]["embedding"].as_array().unwrap().len(), 8);
    let encoded = ask("local-embedding", "base64").await;
    // 8 numbers of 4 bytes.
    assert_eq!(encoded["data"][0]["embedding"].as_str().unwrap().len(), 44);
    let passed = ask("embedder", "float").await;
    let vector = |answer: &Value| -> Vec<f32> {
        serde_json::from_value(answer["data"][0]["embedding"].clone()).unwrap()
    };
    assert_eq!(vector(&passed), vector(&floats));
    let sums: i64 = world.ledger().await.iter().map(|row| row.prompt_tokens).sum();
    assert_eq!(sums, 9);
}

#[tokio::test]
async fn the_list_of_models_is_what_can_be_called() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    world.model("ada", &provider, "ok", "chat").await;
    let (_, list) = world.send("ada", "GET", "/v1/models", Value::Null).await;
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ok", "local-chat", "local-embedding"]);
    let (status, one) = world.send("ada", "GET", "/v1/models/local-chat", Value::Null).await;
    assert_eq!((status, &one["owned_by"]), (StatusCode::OK, &json!("local")));
    let (status, none) = world.send("ada", "GET", "/v1/models/local-missing", Value::Null).await;
    assert_eq!(
        (status, &none["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn the_list_of_models_says_since_when_each_is_here() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "ok", "chat").await;
    let path = format!("/api/v1/models/{model}");
    let (_, shown) = world.send("ada", "GET", &path, Value::Null).await;
    let since: DateTime<Utc> = shown["created_at"].as_str().unwrap().parse().unwrap();
    let (_, list) = world.send("ada", "GET", "/v1/models", Value::Null).await;
    assert_eq!(list["data"][0]["created"], since.timestamp());
    let (_, built_in) = world.send("ada", "GET", "/v1/models/local-chat", Value::Null).await;
    assert!(built_in["created"].as_i64().unwrap() > 0, "{built_in}");
    let response = world.open_as_anthropic("ada", "/v1/models/ok").await;
    let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let told: DateTime<Utc> = answer["created_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.timestamp(), since.timestamp());
}

#[tokio::test]
async fn requests_per_minute_can_be_limited() {
    let settings = GatewaySettings { requests_per_minute: Some(2), ..GatewaySettings::default() };
    let world = World::with(settings).await;
    world.user("ada").await;
    world.user("eve").await;
    for expected in [200, 200, 429] {
        let response = world.open("ada", "POST", CHAT, question("local-chat", false)).await;
        assert_eq!(response.status().as_u16(), expected);
        assert_eq!(response.headers().contains_key("retry-after"), expected == 429);
    }
    let (status, _) = world.send("eve", "POST", CHAT, question("local-chat", false)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_tells_the_id_under_which_the_ledger_has_it() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    for (model, stream, status) in [
        ("ok", false, 200),
        ("status-500", false, 502),
        ("status-429", true, 429),
        ("malformed", false, 502),
        ("invalid-utf8", false, 502),
    ] {
        world.model("ada", &provider, model, "chat").await;
        let response = world.open("ada", "POST", CHAT, question(model, stream)).await;
        assert_eq!(response.status().as_u16(), status, "{model}");
        let id = response.headers()["x-request-id"].to_str().unwrap().parse().unwrap();
        let recorded = world.ledger().await;
        let record = world.gateway.call_record(ada, id).await.unwrap().unwrap();
        assert_eq!(
            (record.model.as_str(), &record.status),
            (model, &recorded.last().unwrap().status)
        );
    }
    // Also where there is no call.
    for (who, model) in [("ada", "gpt-9"), ("nobody", "ok")] {
        let response = world.open(who, "POST", CHAT, question(model, false)).await;
        assert!(response.status().is_client_error());
        assert!(response.headers().contains_key("x-request-id"), "{model}");
    }
}
