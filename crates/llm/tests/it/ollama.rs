use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::{ChatRequest, LlmError};
use serde_json::{Value, json};

use crate::wire::{Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\
                      \"done\":true,\"done_reason\":\"stop\"}\n";

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = OllamaClient::at(wire.at(""));
    let mut request = everything("qwen3:8b");
    request.extra.insert("keep_alive".to_owned(), json!("10m"));
    request.extra.insert("options".to_owned(), json!({"num_ctx": 8192, "temperature": 0.1}));
    request.extra.insert("reasoning_effort".to_owned(), json!("none"));
    ask(&client, request).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /api/chat");
    golden_json("ollama.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = OllamaClient::at(wire.at("/api/"));
    golden_stream(&wire, &client, "ollama").await;
}

#[tokio::test]
async fn a_line_may_say_that_it_failed() {
    let wire = Wire::start().await;
    let client = OllamaClient::at(wire.at(""));
    let body = "{\"model\":\"m\",\"message\":{\"content\":\"a\"},\"done\":false}\n\
                {\"error\":\"an error was encountered while running the model\"}\n";
    wire.will(Reply::of(body));
    let (events, failure) = ask(&client, question("m")).await;
    assert_eq!(events, "started \"\" \"m\"\ntext \"a\"");
    assert!(matches!(failure, Some(LlmError::Provider { status: 500, .. })), "{failure:?}");
    wire.will(Reply::failing(404, &json!({"error": "model 'm' not found"})));
    let failure = ask(&client, question("m")).await.1;
    assert!(matches!(failure, Some(LlmError::UnknownModel(_))), "{failure:?}");
}

#[tokio::test]
async fn an_answer_is_counted_even_where_its_prompt_is_not() {
    let wire = Wire::start().await;
    let client = OllamaClient::at(wire.at(""));
    for (counts, usage) in [
        (json!({"prompt_eval_count": 5, "eval_count": 7}), "Some((5, 0, 7, 0))"),
        (json!({"eval_count": 7}), "Some((0, 0, 7, 0))"),
        (json!({"prompt_eval_count": 5}), "None"),
    ] {
        let mut line: Value = serde_json::from_str(ANSWER).unwrap();
        line.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        wire.will(Reply::of(format!("{line}\n")));
        let (events, failure) = ask(&client, question("m")).await;
        assert!(failure.is_none(), "{failure:?}");
        assert!(events.ends_with(&format!("finished Stop {usage}")), "{events}");
    }
}

fn with_effort(model: &str, effort: &str) -> ChatRequest {
    let mut request = question(model);
    request.extra.insert("reasoning_effort".to_owned(), json!(effort));
    request
}

#[tokio::test]
async fn only_gpt_oss_thinks_by_levels() {
    for (model, effort, think) in [
        ("gpt-oss:20b", "minimal", json!("low")),
        ("hf.co/unsloth/GPT-OSS-20B-GGUF", "medium", json!("medium")),
        ("gpt-oss:20b", "xhigh", json!("high")),
        ("qwen3:8b", "low", json!(true)),
        ("qwen3:8b", "high", json!(true)),
        ("qwen3:8b", "none", json!(false)),
    ] {
        let wire = Wire::start().await;
        wire.will(Reply::of(ANSWER));
        ask(&OllamaClient::at(wire.at("")), with_effort(model, effort)).await;
        assert_eq!(wire.last().json()["think"], think, "{model} {effort}");
    }
}

#[tokio::test]
async fn thinking_that_a_model_refuses_is_asked_for_less() {
    let refusal = |words: &str| Reply::failing(400, &json!({"error": words}));
    let wire = Wire::start().await;
    wire.will(refusal("think value \"low\" is not supported for this model"))
        .will(refusal("\"gpt-oss-like\" does not support thinking"))
        .will(Reply::of(ANSWER));
    let client = OllamaClient::at(wire.at(""));
    let failure = ask(&client, with_effort("gpt-oss-like", "low")).await.1;
    assert!(failure.is_none(), "{failure:?}");
    let asked: Vec<Value> = wire.seen().iter().map(|seen| seen.json()["think"].clone()).collect();
    assert_eq!(asked, [json!("low"), json!(true), Value::Null]);
    // What is refused for another reason is not asked again.
    wire.will(refusal("\"m\" does not support tools"));
    let failure = ask(&client, with_effort("m", "low")).await.1;
    assert!(matches!(failure, Some(LlmError::Rejected(_))), "{failure:?}");
    assert_eq!(wire.seen().len(), 4);
}

#[tokio::test]
async fn results_are_in_the_order_of_their_calls_and_only_functions_are_tools() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": id, "arguments": "{}"}});
    let mut body = json!({"model": "m", "messages": [
        {"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"}]});
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = OllamaClient::at(wire.at(""));
    ask(&client, serde_json::from_value(body.clone()).unwrap()).await;
    let messages = wire.last().json()["messages"].clone();
    assert_eq!((&messages[1]["tool_name"], &messages[1]["content"]), (&json!("c1"), &json!("one")));
    assert_eq!((&messages[2]["tool_name"], &messages[2]["content"]), (&json!("c2"), &json!("two")));
    body["tools"] = json!([{"type": "web_search"}]);
    let error = ask(&client, serde_json::from_value(body).unwrap()).await.1.unwrap().to_string();
    assert!(error.contains("tools.0: this model's provider has no tool"), "{error}");
    assert_eq!(wire.seen().len(), 1);
}

#[tokio::test]
async fn models_are_those_on_its_disk() {
    let wire = Wire::start().await;
    wire.will(Reply::of(json!({"models": [{"name": "b:latest"}, {"name": "a"}]}).to_string()));
    let client = OllamaClient::at(wire.at(""));
    let listed = client.models().await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["a", "b:latest"]);
    assert_eq!(wire.last().call, "GET /api/tags");
}
