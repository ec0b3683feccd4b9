use lyceum_llm::LlmError;
use lyceum_llm::anthropic::AnthropicClient;
use serde_json::{Value, json};

use crate::wire::{KEY, Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",",
    "\"model\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":",
    "\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

async fn sent(request: lyceum_llm::ChatRequest) -> Value {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at(""));
    assert!(ask(&client, request).await.1.is_none());
    wire.last().json()
}

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at("/"));
    ask(&client, everything("claude-sonnet-4-5")).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/messages");
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (KEY, ""));
    assert_eq!(seen.header("anthropic-version"), "2023-06-01");
    golden_json("anthropic.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = AnthropicClient::at(wire.at("/v1"));
    golden_stream(&wire, &client, "anthropic").await;
}

#[tokio::test]
async fn effort_becomes_what_the_model_knows() {
    let mut request = question("claude-opus-4-7");
    request.temperature = Some(0.5);
    request.extra.insert("reasoning_effort".to_owned(), json!("high"));
    let body = sent(request.clone()).await;
    assert_eq!(body["thinking"], json!({"type": "adaptive", "display": "summarized"}));
    assert_eq!(body["output_config"], json!({"effort": "high"}));
    assert!(body.get("temperature").is_none(), "{body}");
    request.model = "claude-sonnet-4-5".to_owned();
    request.max_tokens = Some(100);
    let body = sent(request.clone()).await;
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!(body["max_tokens"], 2048);
    request.extra.insert("reasoning_effort".to_owned(), json!("none"));
    let body = sent(request).await;
    assert!(body.get("thinking").is_none(), "{body}");
    assert_eq!(body["temperature"], 0.5);
}

#[tokio::test]
async fn thinking_comes_back_with_its_calls_and_stays_as_the_turn_began() {
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"});
    let thought = json!({"anthropic": {"thinking": [block]}});
    let loop_of = |model: &str, steps: &[&Value]| {
        let mut messages = vec![json!({"role": "user", "content": "q"})];
        for (number, extra) in steps.iter().enumerate() {
            let id = format!("c{number}");
            let call = json!({"id": id, "type": "function",
                "function": {"name": "f", "arguments": "{}"}, "extra_content": extra});
            messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": "r"}));
        }
        let request = json!({"model": model, "reasoning_effort": "low", "messages": messages});
        serde_json::from_value(request).unwrap()
    };
    let none = Value::Null;
    let body = sent(loop_of("claude-opus-4-6", &[&thought])).await;
    assert_eq!(body["messages"][1]["content"][0], block);
    assert_eq!(body["messages"][1]["content"][1]["type"], "tool_use");
    for (model, steps, kind) in [
        ("claude-opus-4-6", vec![&thought], json!("adaptive")),
        // Such a model may do without at any step.
        ("claude-opus-4-6", vec![&none], json!("adaptive")),
        ("claude-opus-4-6", vec![&thought, &none], json!("adaptive")),
        ("claude-sonnet-4-5", vec![&thought, &none], json!("enabled")),
        ("claude-sonnet-4-5", vec![&none, &thought], Value::Null),
        ("claude-sonnet-4-5", vec![&none], Value::Null),
    ] {
        let body = sent(loop_of(model, &steps)).await;
        assert_eq!(body["thinking"]["type"], kind, "{model} {steps:?}");
    }
}

#[tokio::test]
async fn a_forced_tool_goes_before_thinking_with_a_budget() {
    let forced = |model: &str, choice: Value| {
        let tool = json!({"type": "function", "function": {"name": "f"}});
        serde_json::from_value(json!({"model": model, "reasoning_effort": "high",
            "messages": [{"role": "user", "content": "q"}], "tools": [tool],
            "tool_choice": choice}))
        .unwrap()
    };
    let one = json!({"type": "function", "function": {"name": "f"}});
    for choice in [json!("required"), one] {
        let body = sent(forced("claude-sonnet-4-5", choice.clone())).await;
        assert_eq!((&body["thinking"], &body["max_tokens"]), (&Value::Null, &json!(32_000)));
        let body = sent(forced("claude-opus-4-6", choice)).await;
        assert_eq!(body["thinking"]["type"], "adaptive");
    }
    let body = sent(forced("claude-sonnet-4-5", json!("auto"))).await;
    assert_eq!(body["thinking"]["type"], "enabled");
}

#[tokio::test]
async fn the_calls_of_other_models_are_put_as_the_api_wants_them() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let request = json!({"model": "m", "messages": [
        {"role": "system", "content": " "},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "\n\n", "tool_calls": [call("functions.f:0")]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "one"},
        {"role": "assistant", "content": [{"type": "text", "text": " "}],
            "tool_calls": [call("functions.f:0")]},
        {"role": "tool", "tool_call_id": "functions.f:0", "content": "two"},
        {"role": "assistant", "content": "\n"},
        {"role": "user", "content": "and?"}]});
    let body = sent(serde_json::from_value(request).unwrap()).await;
    let used = |id: &str| {
        json!({"role": "assistant", "content": [
            {"type": "tool_use", "id": id, "name": "f", "input": {}}]})
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    let result = |id: &str, said: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [text(said)]});
    let expected = json!([
        {"role": "user", "content": [text("q")]},
        used("functions_f_0"),
        {"role": "user", "content": [result("functions_f_0", "one")]},
        used("functions_f_0_2"),
        {"role": "user", "content": [result("functions_f_0_2", "two"), text("and?")]}]);
    assert_eq!(body["messages"], expected);
    assert!(body.get("system").is_none(), "{body}");
}

#[tokio::test]
async fn calls_of_one_turn_that_share_an_id_each_have_their_result() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let result = |said: &str| json!({"role": "tool", "tool_call_id": "x", "content": said});
    let request = json!({"model": "m", "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null, "tool_calls": [call("x"), call("x")]},
        result("one"), result("two")]});
    let body = sent(serde_json::from_value(request).unwrap()).await;
    let ids = |turn: usize, name: &str| {
        let blocks = body["messages"][turn]["content"].as_array().unwrap();
        blocks.iter().map(|block| block[name].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(1, "id"), [json!("x"), json!("x_2")]);
    assert_eq!(ids(2, "tool_use_id"), [json!("x"), json!("x_2")]);
}

#[tokio::test]
async fn a_tool_that_is_no_function_is_refused_with_its_place() {
    let wire = Wire::start().await;
    let client = AnthropicClient::at(wire.at(""));
    let mut request = question("m");
    request.extra.insert("tools".to_owned(), json!([{"type": "web_search"}]));
    let error = ask(&client, request).await.1.unwrap().to_string();
    let words = "tools.0: this model's provider has no tool 'web_search', only functions";
    assert!(error.ends_with(words), "{error}");
    assert!(wire.seen().is_empty());
}

#[tokio::test]
async fn what_is_to_be_cached_is_marked() {
    let mark = json!({"type": "ephemeral"});
    let marked = json!([{"type": "text", "text": "long", "cache_control": mark},
        {"type": "text", "text": "short"}]);
    let request = json!({"model": "claude-sonnet-4-5", "response_format": {"type": "json_object"},
        "messages": [{"role": "system", "content": marked}, {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"},
                "cache_control": mark}, {"type": "text", "text": "q"}]}]});
    let body = sent(serde_json::from_value(request).unwrap()).await;
    assert_eq!(body["system"][0], marked[0]);
    assert_eq!(body["system"][1], marked[1]);
    assert_eq!(body["system"][2]["text"], "Answer with one JSON object and nothing else.");
    let blocks = &body["messages"][0]["content"];
    assert_eq!((&blocks[0]["type"], &blocks[0]["cache_control"]), (&json!("image"), &mark));
    assert_eq!(blocks[1], json!({"type": "text", "text": "q"}));
}

#[tokio::test]
async fn tools_and_whole_messages_may_be_marked() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let function = json!({"name": "f"});
    let mut marked_function = function.clone();
    marked_function["cache_control"] = mark.clone();
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}});
    let request = json!({"model": "claude-sonnet-4-5",
        "tools": [{"type": "function", "function": function, "cache_control": mark},
            {"type": "function", "function": marked_function}],
        "messages": [{"role": "system", "content": "long", "cache_control": mark},
            {"role": "user", "content": "q", "cache_control": mark},
            {"role": "assistant", "content": "a", "tool_calls": [call], "cache_control": mark},
            {"role": "tool", "tool_call_id": "c1", "content": "r", "cache_control": mark}]});
    let body = sent(serde_json::from_value(request).unwrap()).await;
    for (place, kind) in [
        (&body["tools"][0], Value::Null),
        (&body["tools"][1], Value::Null),
        (&body["system"][0], json!("text")),
        (&body["messages"][0]["content"][0], json!("text")),
        (&body["messages"][1]["content"][1], json!("tool_use")),
        (&body["messages"][2]["content"][0], json!("tool_result")),
    ] {
        assert_eq!((&place["type"], &place["cache_control"]), (&kind, &mark), "{body}");
    }
    assert!(body["messages"][1]["content"][0].get("cache_control").is_none(), "{body}");
}

#[tokio::test]
async fn a_schema_is_put_as_the_api_takes_it_or_into_words() {
    let with = |schema: &Value| {
        serde_json::from_value(json!({"model": "claude-sonnet-4-5",
            "messages": [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": "q"}],
            "response_format": {"type": "json_schema",
                "json_schema": {"name": "a", "schema": schema}}}))
        .unwrap()
    };
    let bounded = json!({"type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1}}});
    let body = sent(with(&bounded)).await;
    let schema = json!({"type": "object", "additionalProperties": false,
        "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}}});
    assert_eq!(body["output_config"]["format"]["schema"], schema);
    assert_eq!(body["system"], "Be brief.");
    let map = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let body = sent(with(&map)).await;
    assert!(body.get("output_config").is_none(), "{body}");
    let system = body["system"].as_str().unwrap();
    assert!(system.starts_with("Be brief.\n\nAnswer with JSON by this JSON Schema"), "{system}");
    assert!(system.ends_with(&map.to_string()), "{system}");
}

#[tokio::test]
async fn what_a_model_refuses_is_left_out_or_asked_for_in_words() {
    let refusal = |words: &str| {
        let error = json!({"type": "invalid_request_error", "message": words});
        Reply::failing(400, &json!({"type": "error", "error": error}))
    };
    let wire = Wire::start().await;
    let client = AnthropicClient::at(wire.at(""));
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "additionalProperties": false});
    let tool = json!({"type": "function",
        "function": {"name": "f", "strict": true, "parameters": schema}});
    let request = json!({"model": "claude-x", "messages": [{"role": "user", "content": "q"}],
        "reasoning_effort": "low", "tools": [tool], "response_format": {"type": "json_schema",
            "json_schema": {"name": "a", "schema": schema}}});
    wire.will(refusal("adaptive thinking is not supported on this model"))
        .will(refusal("This model does not support the effort parameter."))
        .will(refusal("'claude-x' does not support output format."))
        .will(refusal("tools.0.custom.strict: Extra inputs are not permitted"))
        .will(Reply::of(ANSWER));
    let failure = ask(&client, serde_json::from_value(request).unwrap()).await.1;
    assert!(failure.is_none(), "{failure:?}");
    let bodies: Vec<Value> = wire.seen().iter().map(|seen| seen.json()).collect();
    assert_eq!(bodies.len(), 5);
    assert_eq!(bodies[0]["thinking"]["type"], "adaptive");
    assert!(bodies[1].get("thinking").is_none(), "{}", bodies[1]);
    assert_eq!(bodies[1]["output_config"]["effort"], "low");
    assert!(bodies[2]["output_config"].get("effort").is_none(), "{}", bodies[2]);
    assert_eq!(bodies[2]["output_config"]["format"]["schema"], schema);
    assert!(bodies[3].get("output_config").is_none(), "{}", bodies[3]);
    assert!(bodies[3]["system"].as_str().unwrap().ends_with(&schema.to_string()));
    assert_eq!(bodies[3]["tools"][0]["strict"], true);
    assert!(bodies[4]["tools"][0].get("strict").is_none(), "{}", bodies[4]);
}

#[tokio::test]
async fn sampling_that_a_model_refuses_is_left_out() {
    let wire = Wire::start().await;
    let refusal = json!({"type": "error", "error": {"type": "invalid_request_error",
        "message": "temperature: is not supported by this model"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let client = AnthropicClient::at(wire.at(""));
    let mut request = question("m");
    request.temperature = Some(0.5);
    assert!(ask(&client, request.clone()).await.1.is_none());
    let seen = wire.seen();
    assert_eq!(seen[0].json()["temperature"], 0.5);
    assert!(seen[1].json().get("temperature").is_none());
    // Once only.
    wire.will(Reply::failing(400, &refusal)).will(Reply::failing(400, &refusal));
    let error = ask(&client, request).await.1.unwrap();
    assert!(matches!(error, LlmError::Rejected(_)), "{error}");
}

#[tokio::test]
async fn all_pages_of_models_are_listed() {
    let wire = Wire::start().await;
    let first = json!({"data": [{"id": "b"}], "has_more": true, "last_id": "b"});
    let second = json!({"data": [{"id": "a"}], "has_more": false});
    wire.will(Reply::of(first.to_string())).will(Reply::of(second.to_string()));
    let client = AnthropicClient::at(wire.at(""));
    let listed = client.models().await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(wire.last().call, "GET /v1/models?limit=1000&after_id=b");
}

#[tokio::test]
async fn a_list_that_gives_one_page_again_and_again_has_an_end() {
    let wire = Wire::start().await;
    let page = json!({"data": [{"id": "a"}, {"id": "b"}], "has_more": true}).to_string();
    wire.will(Reply::of(page.clone())).will(Reply::of(page));
    let listed = AnthropicClient::at(wire.at("")).models().await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|model| model.id.as_str()).collect();
    assert_eq!((ids, wire.seen().len()), (vec!["a", "b"], 2));
}
