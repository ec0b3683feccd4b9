//! Which members of a request reach a provider: what a client says of it is what it does.

use lyceum_llm::ChatModel;
use lyceum_llm::anthropic::AnthropicClient;
use lyceum_llm::dify::DifyClient;
use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::surface::{completions, messages, responses};
use serde_json::{Value, json};

use crate::wire::Wire;

/// Members of a request and values that ask for something.
fn members() -> Vec<(&'static str, Value)> {
    vec![
        ("audio", json!({"voice": "alloy", "format": "wav"})),
        ("frequency_penalty", json!(0.5)),
        ("logit_bias", json!({"5": 1})),
        ("logprobs", json!(true)),
        ("max_completion_tokens", json!(5000)),
        ("max_tokens", json!(5000)),
        ("metadata", json!({"a": "b"})),
        ("modalities", json!(["text"])),
        ("parallel_tool_calls", json!(false)),
        ("prediction", json!({"type": "content", "content": "x"})),
        ("presence_penalty", json!(0.5)),
        ("prompt_cache_key", json!("k")),
        ("prompt_cache_retention", json!("24h")),
        ("reasoning_effort", json!("low")),
        ("response_format", json!({"type": "json_object"})),
        ("safety_identifier", json!("s")),
        ("seed", json!(7)),
        ("service_tier", json!("flex")),
        ("stop", json!("END")),
        ("store", json!(true)),
        ("temperature", json!(0.5)),
        ("tool_choice", json!("none")),
        ("tools", tools()),
        ("top_k", json!(3)),
        ("top_logprobs", json!(3)),
        ("top_p", json!(0.5)),
        ("user", json!("ada")),
        ("verbosity", json!("low")),
        ("web_search_options", json!({})),
        // Nobody's.
        ("something_new", json!(1)),
    ]
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])
}

async fn sent(wire: &Wire, client: &dyn ChatModel, request: &Value) -> Value {
    // The script is at its end, and what it answers is of no interest.
    drop(client.chat(serde_json::from_value(request.clone()).unwrap()).await);
    wire.last().json()
}

#[tokio::test]
async fn a_client_takes_what_changes_its_requests_and_nothing_else() {
    let wire = Wire::start().await;
    let clients: [(&str, &str, Box<dyn ChatModel>); 6] = [
        ("openai", "gpt-4o", Box::new(OpenAiClient::at(wire.at("/v1")))),
        ("anthropic", "claude-sonnet-4-5", Box::new(AnthropicClient::at(wire.at("")))),
        ("gemini", "gemini-2.5-flash", Box::new(GeminiClient::at(wire.at("")))),
        ("ollama", "qwen3", Box::new(OllamaClient::at(wire.at("")))),
        ("dify", "app", Box::new(DifyClient::at(wire.at("")))),
        ("responses", "gpt-5", Box::new(ResponsesClient::at(wire.at("/v1")))),
    ];
    for (provider, model, client) in clients {
        for (member, value) in members() {
            let mut plain =
                json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
            if matches!(member, "tool_choice" | "parallel_tool_calls") {
                plain["tools"] = tools();
            }
            let mut asked = plain.clone();
            asked[member] = value;
            let before = sent(&wire, client.as_ref(), &plain).await;
            let reaches = sent(&wire, client.as_ref(), &asked).await != before;
            // Their answers are cut here.
            let is_cut = member == "stop" && matches!(provider, "dify" | "responses");
            assert_eq!(client.takes(member), reaches || is_cut, "{provider} {member}");
        }
    }
}

#[test]
fn a_surface_knows_its_members() {
    type Becomes = fn(&str) -> Option<&str>;
    let surfaces: [(Becomes, [&str; 4], [&str; 2]); 3] = [
        (
            messages::becomes,
            ["system", "stop_sequences", "thinking", "tools"],
            ["stop", "container"],
        ),
        (
            responses::becomes,
            ["input", "instructions", "text", "safety_identifier"],
            ["messages", "include"],
        ),
        (completions::becomes, ["prompt", "suffix", "seed", "user"], ["messages", "tools"]),
    ];
    for (becomes, known, unknown) in surfaces {
        for member in known {
            assert!(becomes(member).is_some(), "{member}");
        }
        for member in unknown {
            assert_eq!(becomes(member), None, "{member}");
        }
    }
    assert_eq!(messages::becomes("stop_sequences"), Some("stop"));
    assert_eq!(responses::becomes("max_output_tokens"), Some("max_tokens"));
}
