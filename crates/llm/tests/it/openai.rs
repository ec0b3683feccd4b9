//! OpenAI's chat completions and where those who speak them deviate.

use lyceum_llm::LlmError;
use lyceum_llm::openai::OpenAiClient;
use serde_json::json;

use crate::wire::{Reply, Wire, ask, everything, golden_json, golden_stream, question};

#[tokio::test]
async fn a_request_goes_out_as_it_is() {
    let wire = Wire::start().await;
    wire.will(Reply::of("data: [DONE]\n\n"));
    ask(&OpenAiClient::at(wire.at("/v1")), everything("gpt-5")).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/chat/completions");
    golden_json("openai.request.json", &seen.json());
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = OpenAiClient::at(wire.at("/v1"));
    for name in ["deepseek", "qwen", "spark"] {
        golden_stream(&wire, &client, name).await;
    }
}

#[tokio::test]
async fn sparks_failures_come_with_status_200() {
    let wire = Wire::start().await;
    let client = OpenAiClient::at(wire.at("/v1"));
    let failure = json!({"code": 11200, "message": "AppIdNoAuthError", "sid": "cha0"});
    for body in [failure.to_string(), format!("data:{failure}\n\n")] {
        wire.will(Reply::of(body));
        let error = ask(&client, question("4.0Ultra")).await.1;
        assert!(matches!(error, Some(LlmError::Unauthorized(_))), "{error:?}");
    }
    for (code, wanted) in [
        (11201, "provider_no_credit"),
        (11202, "provider_rate_limited"),
        (10907, "context_length_exceeded"),
        (10013, "content_policy"),
        (10110, "provider_failed"),
    ] {
        wire.will(Reply::of(json!({"code": code, "message": "x", "sid": "s"}).to_string()));
        let error = ask(&client, question("lite")).await.1.unwrap();
        assert_eq!(lyceum_core::Problem::code(&error), wanted, "{code}");
    }
}
