//! OpenAI's chat completions and where those who speak them deviate.

use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::{ChatModel as _, LlmError, Server};
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
async fn what_a_model_refuses_is_changed_once_and_remembered() {
    let wire = Wire::start().await;
    let client = OpenAiClient::at(wire.at("/v1"));
    let refusal = |words: &str| Reply::failing(400, &json!({"error": {"message": words}}));
    wire.will(refusal("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."))
        .will(refusal("Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported."))
        .will(Reply::of("data: [DONE]\n\n"));
    let mut request = question("o9");
    request.max_tokens = Some(5);
    request.temperature = Some(0.5);
    assert!(ask(&client, request.clone()).await.1.is_none());
    let fitted = wire.last().json();
    assert_eq!((&fitted["max_completion_tokens"], fitted.get("temperature")), (&json!(5), None));
    assert_eq!(wire.seen().len(), 3);
    assert_eq!(client.left_out_of("o9"), ["temperature"]);
    assert!(client.left_out_of("o8").is_empty());
    wire.will(Reply::of("data: [DONE]\n\n"));
    assert!(ask(&client, request).await.1.is_none());
    assert_eq!((wire.seen().len(), wire.last().json()), (4, fitted));
    // What no change helps is told, and not remembered.
    for _ in 0..2 {
        wire.will(refusal("Unrecognized request argument supplied: seed"))
            .will(refusal("That was not it."));
        let mut request = question("m");
        request.seed = Some(-1);
        let error = ask(&client, request).await.1;
        assert!(matches!(error, Some(LlmError::Rejected(_))), "{error:?}");
    }
    assert_eq!(wire.seen().len(), 8);
}

#[tokio::test]
async fn a_call_that_spark_puts_into_no_list_is_found() {
    let wire = Wire::start().await;
    let client = OpenAiClient::at(wire.at("/v1")).with_server(Server::Spark);
    let call = json!({"code": 0, "message": "Success", "sid": "cha0", "choices": [{"index": 0,
        "delta": {"role": "assistant", "tool_calls": {"type": "function",
            "function": {"name": "look_up", "arguments": "{\"word\":\"a\"}"}}}}]});
    wire.will(Reply::of(format!("data:{call}\n\ndata:[DONE]\n\n")));
    let (events, failure) = ask(&client, everything("lite")).await;
    assert!(failure.is_none(), "{failure:?}");
    let found = events.contains(r#"call 0 None Some("look_up") "{\"word\":\"a\"}" null"#);
    assert!(found, "{events}");
    assert_eq!(wire.last().json()["tool_calls_switch"], true);
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
