use lyceum_llm::LlmError;
use lyceum_llm::ollama::OllamaClient;
use serde_json::json;

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
async fn models_are_those_on_its_disk() {
    let wire = Wire::start().await;
    wire.will(Reply::of(json!({"models": [{"name": "b:latest"}, {"name": "a"}]}).to_string()));
    let client = OllamaClient::at(wire.at(""));
    assert_eq!(client.models().await.unwrap(), ["a", "b:latest"]);
    assert_eq!(wire.last().call, "GET /api/tags");
}
