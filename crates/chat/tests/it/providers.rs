//! Answers of an external provider, over a real connection, faults included.

use std::time::Duration;

use lyceum_testkit::MockUpstream;
use serde_json::{Value, json};

use crate::support::{App, Client, chunk, text_of};

/// A model of the provider; its id.
async fn model_of(client: &Client, upstream: &MockUpstream, model: &str) -> Value {
    let provider = json!({
        "provider": "custom", "name": format!("mock for {model}"), "scope": "personal",
        "base_url": upstream.base_url, "api_key": "sk-test-0123456789",
    });
    let provider = client.call("POST", "/providers", Some(provider)).await.expect(201);
    let body = json!({
        "provider_config_id": provider["id"], "name": format!("mock {model}"), "model": model,
        "kind": "chat",
    });
    client.call("POST", "/models", Some(body)).await.expect(201)["id"].clone()
}

/// A model of the provider in a conversation of its own.
async fn conversation_with(client: &Client, upstream: &MockUpstream, model: &str) -> String {
    let model = model_of(client, upstream, model).await;
    client.conversation(json!({ "model_config_id": model })).await
}

#[tokio::test]
async fn a_conversation_at_a_route_is_answered_by_the_target_that_works() {
    let App { client, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    let broken = model_of(client, &upstream, "status-500").await;
    let good = model_of(client, &upstream, "ok").await;
    let route = json!({
        "name": "route", "scope": "personal", "settings": { "retries": 0 },
        "targets": [{ "model_config_id": broken }, { "model_config_id": good, "priority": 2 }],
    });
    let route = client.call("POST", "/model-routes", Some(route)).await.expect(201);
    let id = client.conversation(json!({ "model_config_id": route["id"] })).await;
    let done = client.answer(&id, "hello").await;
    assert_eq!(
        (&done["status"], &done["content"]),
        (&json!("completed"), &json!("You said: hello"))
    );
    // It is told who answered, and what that took.
    assert_eq!((&done["provider"], &done["model"]), (&json!("custom"), &json!("ok")));
    assert!(done["prompt_tokens"].as_i64().unwrap() > 0);
}

#[tokio::test]
async fn a_larger_model_is_told_that_nothing_was_found() {
    let App { client, node, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    let model = model_of(client, &upstream, "ok").await;
    let base = node.retriever.base(vec![chunk("Noise", "irrelevant", false)]);
    let body = json!({ "model_config_id": model, "knowledge_base_ids": [base] });
    let id = client.conversation(body).await;
    let done = client.answer(&id, "What about the moon?").await;
    assert_eq!((&done["finish_reason"], &done["provider"]), (&json!("stop"), &json!("custom")));
    let why = client.get(&format!("/messages/{}/explanation", done["id"].as_str().unwrap())).await;
    let told = why["prompt"][0]["content"].as_str().unwrap();
    assert!(told.contains("the documents do not hold the answer"), "{told}");
    assert_eq!(why["prompt"][1]["content"], "What about the moon?");
    assert_eq!(done["citations"][0]["document_title"], "Noise");
    assert_eq!(done["citations"][0]["cited"], false);
}

#[tokio::test]
async fn an_external_model_answers_and_gives_the_title() {
    let App { client, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    let id = conversation_with(client, &upstream, "ok").await;
    let done = client.answer(&id, "hello").await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["content"], "You said: hello");
    assert_eq!(done["provider"], "custom");
    assert!(done["prompt_tokens"].as_i64().unwrap() > 0);
    let path = format!("/conversations/{id}");
    let mut title = Value::Null;
    for _ in 0..600 {
        title = client.get(&path).await["title"].clone();
        if title != "hello" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(title.as_str().unwrap().starts_with("You said"), "{title}");
    client.answer(&id, "and on").await;
    let usage = client.get("/usage/calls").await;
    let purposes: Vec<&str> =
        usage["items"].as_array().unwrap().iter().map(|c| c["purpose"].as_str().unwrap()).collect();
    assert_eq!(purposes.iter().filter(|purpose| **purpose == "title").count(), 1);
    assert_eq!(purposes.iter().filter(|purpose| **purpose == "chat").count(), 2);
}

#[tokio::test]
async fn a_title_of_ones_own_is_not_overwritten() {
    let App { client, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    let id = conversation_with(client, &upstream, "ok").await;
    let path = format!("/conversations/{id}");
    client.call("PATCH", &path, Some(json!({ "title": "mine" }))).await.expect(200);
    client.answer(&id, "hello").await;
    assert_eq!(client.get(&path).await["title"], "mine");
    assert_eq!(upstream.requests().len(), 1, "no title was asked for");
}

#[tokio::test]
async fn faults_of_a_provider_end_in_a_clear_error() {
    let App { client, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    for (model, code) in [
        ("status-401", "provider_unauthorized"),
        ("status-429", "provider_rate_limited"),
        ("status-500", "provider_failed"),
        ("garbage", "provider_malformed"),
    ] {
        let id = conversation_with(client, &upstream, model).await;
        let failed = client.answer(&id, "one two three four five").await;
        assert_eq!(failed["status"], "error", "{model}: {failed}");
        assert_eq!(failed["error"]["code"], code, "{model}: {failed}");
    }
    for model in ["cut", "half-frame", "stream-error"] {
        let id = conversation_with(client, &upstream, model).await;
        let failed = client.answer(&id, "one two three four five").await;
        assert_eq!(failed["status"], "error", "{model}: {failed}");
        // A reset connection may take the last pieces with it, before they are read.
        let kept = failed["content"].as_str().unwrap();
        assert!(kept.starts_with("You") || (model == "cut" && kept.is_empty()), "{failed}");
        assert!(failed["error"]["code"].as_str().unwrap().starts_with("provider_"), "{failed}");
    }
    let id = conversation_with(client, &upstream, "no-usage").await;
    let done = client.answer(&id, "count for yourself").await;
    assert_eq!(done["status"], "completed");
    assert!(done["completion_tokens"].as_i64().unwrap() > 0, "estimated");
}

#[tokio::test]
async fn stopping_cancels_the_call_at_the_provider() {
    let App { client, .. } = &App::new().await;
    let upstream = MockUpstream::start().await;
    let id = conversation_with(client, &upstream, "gated").await;
    let (_, answer) = client.ask(&id, json!({ "content": "a b c d" })).await;
    let stream = client.events(&answer, None).await;
    upstream.release(1);
    client.call("POST", &format!("/messages/{answer}/stop"), None).await.expect(204);
    let events = stream.all().await;
    let done = &events.last().unwrap().data["message"];
    assert_eq!(done["status"], "stopped");
    assert!(done["content"].as_str().unwrap().starts_with(&text_of(&events)));
}
