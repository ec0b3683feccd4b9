//! What is passed on is fitted to the model, and answers that deviate are read for what they mean.

use axum::body::to_bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::passing::Scripted;
use crate::routes::{CHAT, question};
use crate::said::{MESSAGES, RESPONSES, events};
use crate::world::World;

/// A question with everything that the model `strict` refuses.
fn everything(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 50, "temperature": 0.5, "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "content": "I am.", "reasoning_content": "hm"},
        {"role": "user", "content": "one two three"}]})
}

#[tokio::test]
async fn what_a_model_refuses_costs_one_more_request_once() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("custom", "/v1"), "strict").await;
    world.model_at(&provider, "strict", "strict").await;
    let mut asked = 0;
    for (stream, requests) in [(true, 5), (true, 1), (false, 1)] {
        let response = world.open("ada", "POST", CHAT, everything("strict", stream)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["x-lyceum-ignored"], "temperature");
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
        asked += requests;
        let sent = world.upstream.requests();
        assert_eq!(sent.len(), asked, "{stream}");
        let sent = &sent.last().unwrap().body;
        assert_eq!((&sent["max_completion_tokens"], sent.get("max_tokens")), (&json!(50), None));
        assert_eq!(sent.get("temperature"), None);
        assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "I am."}));
    }
    // The same where the request is translated.
    let body = json!({"model": "strict", "max_tokens": 50, "temperature": 0.5,
        "messages": [{"role": "user", "content": "one two three"}]});
    let response = world.open("ada", "POST", MESSAGES, body).await;
    assert_eq!(response.headers()["x-lyceum-ignored"], "temperature");
    to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(world.upstream.requests().len(), asked + 1);
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 4, "one call, one row: {rows:?}");
    assert!(rows.iter().all(|row| row.status == "completed"), "{rows:?}");
}

#[tokio::test]
async fn responses_that_are_passed_on_are_fitted_too() {
    let world = World::new().await;
    world.user("ada").await;
    let kind = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    let provider = world.at_kind(&kind, "r").await;
    world.model_at(&provider, "r", "strict").await;
    let (own, sealed) = ("message.output_text.logprobs", "reasoning.encrypted_content");
    let mut asked = 0;
    for (include, requests, sent, ignored) in [
        // It is our own wish that reasoning is sealed.
        (Value::Null, 2, Value::Null, None),
        (Value::Null, 1, Value::Null, None),
        (json!([own]), 1, json!([own]), None),
        (json!([sealed]), 1, Value::Null, Some("include")),
    ] {
        let body = json!({"model": "r", "input": "one two three", "include": include,
            "tools": [{"type": "function", "name": "f", "parameters": {}}]});
        let response = world.open("ada", "POST", RESPONSES, body).await;
        assert_eq!(response.status(), StatusCode::OK, "{include}");
        let told = response.headers().get("x-lyceum-ignored");
        assert_eq!(told.map(|names| names.to_str().unwrap()), ignored, "{include}");
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
        asked += requests;
        let all = world.upstream.requests();
        assert_eq!((all.len(), &all[asked - 1].body["include"]), (asked, &sent), "{include}");
    }
}

#[tokio::test]
async fn what_a_provider_is_known_to_take_needs_no_refusal() {
    let world = World::new().await;
    world.user("ada").await;
    for (provider, role, limit) in [
        ("openai", "developer", "max_completion_tokens"),
        ("deepseek", "system", "max_tokens"),
        ("qwen", "system", "max_tokens"),
        ("custom", "developer", "max_tokens"),
    ] {
        let id = world.at_kind(&Kind::new(provider, "/v1"), provider).await;
        world.model_at(&id, provider, "ok").await;
        let before = world.upstream.requests().len();
        let (status, answer) = world.send("ada", "POST", CHAT, everything(provider, false)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests();
        assert_eq!(sent.len(), before + 1);
        let sent = &sent.last().unwrap().body;
        assert_eq!((&sent["messages"][0]["role"], &sent[limit]), (&json!(role), &json!(50)));
    }
}

#[tokio::test]
async fn how_hard_to_think_goes_before_what_a_provider_is_set_to() {
    let world = World::new().await;
    world.user("ada").await;
    for (provider, config, effort, member, expected) in [
        ("qwen", json!({"enable_thinking": false}), json!("high"), "enable_thinking", json!(true)),
        ("qwen", json!({"enable_thinking": true}), json!("none"), "enable_thinking", json!(false)),
        ("qwen", json!({"enable_thinking": true}), Value::Null, "enable_thinking", json!(true)),
        (
            "doubao",
            json!({"thinking": "enabled"}),
            json!("none"),
            "thinking",
            json!({"type": "disabled"}),
        ),
        ("deepseek", json!({}), json!("high"), "thinking", json!({"type": "enabled"})),
    ] {
        let name = format!("{provider} {config} {effort}");
        let kind = Kind { config, ..Kind::new(provider, "/v1") };
        let id = world.at_kind(&kind, &name).await;
        world.model_at(&id, &name, "ok").await;
        let mut body = question(&name, false);
        body["reasoning_effort"] = effort.clone();
        let (status, answer) = world.send("ada", "POST", CHAT, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests().pop().unwrap().body;
        assert_eq!(sent[member], expected, "{name}: {sent}");
        if effort != "none" {
            continue;
        }
        // The same in the words of another surface.
        let body = json!({"model": name, "max_tokens": 50, "thinking": {"type": "disabled"},
            "messages": [{"role": "user", "content": "hi"}]});
        let (status, answer) = world.send("ada", "POST", MESSAGES, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests().pop().unwrap().body;
        assert_eq!(sent[member], expected, "{name}: {sent}");
    }
}

/// A model at a provider of the upstream with settings of its own, named like the provider.
async fn set_up(world: &World, provider: &'static str, model: &str, settings: &Value) -> String {
    let name = format!("{provider} {settings}");
    let id = world.at_kind(&Kind::new(provider, "/v1"), &name).await;
    let mut body = json!({"provider_config_id": id, "name": name, "model": model, "kind": "chat"});
    for (member, value) in settings.as_object().unwrap() {
        body[member] = value.clone();
    }
    let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    name
}

#[tokio::test]
async fn what_the_caller_says_is_not_mixed_with_what_a_model_is_set_to() {
    const MEMBERS: [&str; 6] = [
        "enable_thinking",
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "thinking",
        "thinking_budget",
    ];
    let world = World::new().await;
    world.user("ada").await;
    for (provider, options, asked, expected) in [
        (
            "qwen",
            json!({"reasoning_effort": "low"}),
            json!({"reasoning_effort": "high"}),
            json!({"enable_thinking": true}),
        ),
        (
            "deepseek",
            json!({"reasoning_effort": "high"}),
            json!({"reasoning_effort": "none"}),
            json!({"thinking": {"type": "disabled"}}),
        ),
        (
            "qwen",
            json!({"thinking_budget": 2000}),
            json!({"reasoning_effort": "none"}),
            json!({"enable_thinking": false}),
        ),
        (
            "openai",
            json!({"max_completion_tokens": 9}),
            json!({"max_tokens": 50}),
            json!({"max_completion_tokens": 50}),
        ),
    ] {
        let name = set_up(&world, provider, "ok", &json!({"options": options})).await;
        let mut body = question(&name, false);
        for (member, value) in asked.as_object().unwrap() {
            body[member] = value.clone();
        }
        let (status, answer) = world.send("ada", "POST", CHAT, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests().pop().unwrap().body;
        let said = MEMBERS.iter().filter_map(|&member| Some((member, sent.get(member)?.clone())));
        let said: serde_json::Map<String, Value> =
            said.map(|(member, value)| (member.to_owned(), value)).collect();
        assert_eq!(Value::Object(said), expected, "{name}");
    }
}

#[tokio::test]
async fn only_of_the_callers_words_is_told_that_they_have_no_effect() {
    let world = World::new().await;
    world.user("ada").await;
    let known = set_up(&world, "openai", "ok", &json!({"options": {"top_k": 3}})).await;
    let refused = set_up(&world, "custom", "strict", &json!({"temperature": 0.5})).await;
    for (name, member) in [(known, "top_k"), (refused, "temperature")] {
        for stream in [false, true] {
            for told in [None, Some(member)] {
                let mut body = question(&name, stream);
                if told.is_some() {
                    body[member] = json!(1);
                }
                let response = world.open("ada", "POST", CHAT, body).await;
                assert_eq!(response.status(), StatusCode::OK, "{name}");
                let header = response.headers().get("x-lyceum-ignored");
                let header = header.map(|names| names.to_str().unwrap().to_owned());
                assert_eq!(header.as_deref(), told, "{name} {stream}");
                to_bytes(response.into_body(), usize::MAX).await.unwrap();
                assert_eq!(world.upstream.requests().pop().unwrap().body.get(member), None);
            }
        }
    }
}

#[tokio::test]
async fn a_kept_answer_tells_what_of_a_request_that_was_passed_on_had_no_effect() {
    let world = World::new().await;
    world.user("ada").await;
    let name = set_up(&world, "custom", "strict", &json!({"cache": true})).await;
    let mut body = question(&name, false);
    body["temperature"] = json!(0.5);
    for found in ["miss", "hit"] {
        let response = world.open("ada", "POST", CHAT, body.clone()).await;
        assert_eq!(response.headers()["x-lyceum-cache"], found);
        assert_eq!(response.headers()["x-lyceum-ignored"], "temperature", "{found}");
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
    }
}

fn stream_of(chunks: &[Value], done: bool) -> String {
    let data: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    if done { data + "data: [DONE]\n\n" } else { data }
}

#[tokio::test]
async fn an_empty_reason_in_every_piece_holds_nothing_back_and_ends_nothing() {
    let world = World::new().await;
    world.user("ada").await;
    let piece = |text: &str, reason: &str| {
        json!({"id": "c", "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]})
    };
    let pieces = [piece("one ", ""), piece("two", ""), piece("", "stop")];
    Scripted::saying(stream_of(&pieces, true)).await.model(&world, "whole").await;
    Scripted::saying(stream_of(&pieces[..2], false)).await.model(&world, "cut").await;
    for (model, status, code) in
        [("whole", "completed", None), ("cut", "failed", Some("provider_stream_broken"))]
    {
        let (_, answer) = world.send("ada", "POST", CHAT, question(model, true)).await;
        let said: Vec<Value> = events(&answer).into_iter().map(|(_, data)| data).collect();
        assert_eq!(said[..2], pieces[..2], "{model}");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.error_code.as_deref()), (status, code), "{row:?}");
    }
}

#[tokio::test]
async fn calls_that_are_badly_numbered_are_passed_on_apart() {
    let world = World::new().await;
    world.user("ada").await;
    let chunk = |calls: Value| json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"tool_calls": calls}}]});
    let call = |id: &str| json!({"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let alone = json!({"type": "function", "function": {"name": "f", "arguments": "{}"}});
    let end = json!({"id": "c", "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    let pieces = [chunk(json!([call("a")])), chunk(json!([call("b")])), chunk(alone), end];
    Scripted::saying(stream_of(&pieces, true)).await.model(&world, "calls").await;
    let (_, answer) = world.send("ada", "POST", CHAT, question("calls", true)).await;
    let said: Vec<Value> = events(&answer).into_iter().map(|(_, data)| data).collect();
    // What is right is passed on as it came.
    assert_eq!(said[0], pieces[0]);
    let calls = |event: &Value| event["choices"][0]["delta"]["tool_calls"].clone();
    let mut second = call("b");
    second["index"] = json!(1);
    assert_eq!(calls(&said[1]), json!([second]));
    let mut third = json!({"type": "function", "function": {"name": "f", "arguments": "{}"}});
    third["index"] = json!(2);
    assert_eq!(calls(&said[2]), json!([third]));
}
