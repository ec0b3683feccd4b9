use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::{ChatRequest, ListedTask};
use serde_json::{Value, json};

use crate::wire::{KEY, Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ok\"}]},\
                      \"finishReason\":\"STOP\"}]}\r\n\r\n";

async fn sent(request: ChatRequest) -> Value {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    assert!(ask(&client, request).await.1.is_none());
    wire.last().json()
}

#[tokio::test]
async fn a_request_has_everything_in_the_providers_form() {
    let wire = Wire::start().await;
    wire.will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    ask(&client, everything("gemini-3-pro-preview")).await;
    let seen = wire.last();
    let call = "POST /v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse";
    assert_eq!(seen.call, call);
    assert_eq!((seen.header("x-goog-api-key"), seen.header("authorization")), (KEY, ""));
    golden_json("gemini.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at("/v1beta"));
    golden_stream(&wire, &client, "gemini").await;
}

#[tokio::test]
async fn a_blocked_prompt_is_a_filtered_answer() {
    let wire = Wire::start().await;
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
        "modelVersion": "gemini-2.5-flash"});
    wire.will(Reply::of(format!("data: {blocked}\r\n\r\n")));
    let client = GeminiClient::at(wire.at(""));
    let (events, failure) = ask(&client, question("gemini-2.5-flash")).await;
    assert!(failure.is_none(), "{failure:?}");
    assert!(events.ends_with("finished ContentFilter Some((7, 0, 0, 0))"), "{events}");
}

#[tokio::test]
async fn effort_becomes_what_the_model_knows() {
    let with = |model: &str, effort: Option<&str>| {
        let mut request = question(model);
        if let Some(effort) = effort {
            request.extra.insert("reasoning_effort".to_owned(), json!(effort));
        }
        request
    };
    let thinking =
        async |request| sent(request).await["generationConfig"]["thinkingConfig"].clone();
    let found = thinking(with("gemini-2.5-flash", Some("medium"))).await;
    assert_eq!(found, json!({"includeThoughts": true, "thinkingBudget": 8192}));
    let found = thinking(with("gemini-2.5-flash", Some("none"))).await;
    assert_eq!(found, json!({"includeThoughts": false, "thinkingBudget": 0}));
    let found = thinking(with("gemini-3-flash", Some("minimal"))).await;
    assert_eq!(found, json!({"includeThoughts": true, "thinkingLevel": "low"}));
    assert_eq!(thinking(with("gemini-2.5-pro", None)).await, json!({"includeThoughts": true}));
    assert_eq!(thinking(with("gemini-2.0-flash", Some("high"))).await, Value::Null);
    assert_eq!(thinking(with("gemma-3-27b-it", Some("high"))).await, Value::Null);
    // A name of the present, whatever its number.
    let found = thinking(with("gemini-flash-latest", Some("high"))).await;
    assert_eq!(found, json!({"includeThoughts": true, "thinkingLevel": "high"}));
}

#[tokio::test]
async fn a_model_that_does_not_think_is_asked_again_without() {
    let wire = Wire::start().await;
    let refusal = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "Thinking is not enabled for models/gemini-2.5-flash-image"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let client = GeminiClient::at(wire.at(""));
    let (_, failure) = ask(&client, question("gemini-2.5-flash-image")).await;
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(wire.last().json()["generationConfig"], json!({}));
}

#[tokio::test]
async fn signatures_come_back_with_their_calls() {
    let call = |extra: Value| {
        json!({"id": "c1", "type": "function",
        "function": {"name": "f", "arguments": "{}"}, "extra_content": extra})
    };
    let turn = |model: &str, extra: Value| {
        serde_json::from_value(json!({"model": model, "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "tool_calls": [call(extra)]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"}]}))
        .unwrap()
    };
    let signed = json!({"google": {"thought_signature": "c2ln"}});
    for (model, extra, expected) in [
        ("gemini-3-pro", signed.clone(), json!("c2ln")),
        ("gemini-3-pro", Value::Null, json!("skip_thought_signature_validator")),
        ("gemini-2.5-pro", Value::Null, Value::Null),
    ] {
        let body = sent(turn(model, extra)).await;
        let part = &body["contents"][1]["parts"][0];
        assert_eq!(part["thoughtSignature"], expected, "{body}");
        let mut result = json!({"name": "f", "response": {"result": "r"}});
        if model == "gemini-3-pro" {
            result["id"] = json!("c1");
        }
        let parts = json!([{"functionResponse": result}]);
        assert_eq!(body["contents"][2], json!({"role": "user", "parts": parts}));
    }
}

/// Two calls of one function, answered in the other order.
fn crossed(model: &str) -> ChatRequest {
    let call = |id: &str, city: &str| {
        json!({"id": id, "type": "function", "function": {"name": "get_weather",
            "arguments": json!({"city": city}).to_string()}})
    };
    let result =
        |id: &str, found: &str| json!({"role": "tool", "tool_call_id": id, "content": found});
    serde_json::from_value(json!({"model": model, "messages": [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null,
            "tool_calls": [call("c1", "Rome"), call("c2", "Oslo")]},
        result("c2", "cold"), result("c1", "warm")]}))
    .unwrap()
}

#[tokio::test]
async fn results_are_those_of_their_calls_whatever_their_order() {
    let answered = |body: &Value| {
        let parts = body["contents"][2]["parts"].as_array().unwrap().clone();
        let part = |part: &Value| part["functionResponse"].clone();
        parts.iter().map(part).collect::<Vec<_>>()
    };
    let result = |found: &str| json!({"name": "get_weather", "response": {"result": found}});
    let body = sent(crossed("gemini-2.5-flash")).await;
    assert_eq!(answered(&body), [result("warm"), result("cold")]);
    let body = sent(crossed("gemini-3-flash")).await;
    let ids: Vec<_> = answered(&body).iter().map(|result| result["id"].clone()).collect();
    assert_eq!(ids, ["c1", "c2"]);
    assert_eq!(body["contents"][1]["parts"][1]["functionCall"]["id"], "c2");
}

#[tokio::test]
async fn a_server_that_knows_no_ids_is_asked_again_without() {
    let wire = Wire::start().await;
    let refusal = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
        "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call'"}});
    wire.will(Reply::failing(400, &refusal)).will(Reply::of(ANSWER));
    let failure = ask(&GeminiClient::at(wire.at("")), crossed("gemini-3-flash")).await.1;
    assert!(failure.is_none(), "{failure:?}");
    let body = wire.last().json()["contents"].to_string();
    assert!(!body.contains("\"id\"") && body.contains("get_weather"), "{body}");
}

#[tokio::test]
async fn a_tool_that_is_no_function_is_refused_with_its_place() {
    let wire = Wire::start().await;
    let mut request = question("gemini-3-flash");
    request.extra.insert("tools".to_owned(), json!([{"google_search": {}}]));
    let error = ask(&GeminiClient::at(wire.at("")), request).await.1.unwrap().to_string();
    assert!(
        error.contains("tools.0: this model's provider has no tool 'google_search'"),
        "{error}"
    );
    assert!(wire.seen().is_empty());
}

#[tokio::test]
async fn a_picture_elsewhere_is_fetched_if_it_is_one() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at(""));
    let request = || {
        let url = format!("{}/picture", wire.origin);
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        serde_json::from_value(
            json!({"model": "m", "messages": [{"role": "user", "content": [part]}]}),
        )
        .unwrap()
    };
    wire.will(Reply::of("bytes").with_header("content-type", "image/jpeg; x=y"));
    wire.will(Reply::of(ANSWER));
    assert!(ask(&client, request()).await.1.is_none());
    let part = &wire.last().json()["contents"][0]["parts"][0];
    assert_eq!(*part, json!({"inlineData": {"mimeType": "image/jpeg", "data": "Ynl0ZXM="}}));
    // Without the provider's key.
    assert_eq!(wire.seen()[0].header("x-goog-api-key"), "");
    wire.will(Reply::of("secret").with_header("content-type", "text/plain"));
    let error = ask(&client, request()).await.1.unwrap();
    assert!(error.to_string().contains("is not a picture"), "{error}");
}

#[tokio::test]
async fn all_pages_of_models_are_listed_with_what_each_does() {
    let wire = Wire::start().await;
    let first = json!({"nextPageToken": "two", "models": [
        {"name": "models/gemini-3-pro", "inputTokenLimit": 1_048_576,
         "supportedGenerationMethods": ["generateContent", "countTokens"]}]});
    let second = json!({"models": [{"name": "models/gemini-embedding-001",
         "inputTokenLimit": 2048, "supportedGenerationMethods": ["embedContent"]}]});
    wire.will(Reply::of(first.to_string())).will(Reply::of(second.to_string()));
    let listed = GeminiClient::at(wire.at("")).models().await.unwrap();
    let listed: Vec<_> =
        listed.iter().map(|model| (model.id.as_str(), model.task, model.context_length)).collect();
    let expected = [
        ("gemini-3-pro", Some(ListedTask::Chat), Some(1_048_576)),
        ("gemini-embedding-001", Some(ListedTask::Embedding), Some(2048)),
    ];
    assert_eq!(listed, expected);
    assert_eq!(wire.last().call, "GET /v1beta/models?pageSize=1000&pageToken=two");
}

#[tokio::test]
async fn a_list_without_an_end_is_read_up_to_a_number_of_pages() {
    for (tokens, pages) in [(["same", "same"], 2), (["one", "other"], 50)] {
        let wire = Wire::start().await;
        for number in 0..60 {
            let page = json!({"nextPageToken": tokens[number % 2],
                "models": [{"name": format!("models/m{number}")}]});
            wire.will(Reply::of(page.to_string()));
        }
        let listed = GeminiClient::at(wire.at("")).models().await.unwrap();
        assert_eq!((listed.len(), wire.seen().len()), (pages, pages));
    }
}
