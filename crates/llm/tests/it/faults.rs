//! What every client makes of what goes wrong.

use std::time::Duration;

use lyceum_core::Problem as _;
use lyceum_llm::anthropic::AnthropicClient;
use lyceum_llm::dify::DifyClient;
use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::{ChatModel, LlmError};
use serde_json::{Value, json};

use crate::wire::{KEY, Reply, Wire, ask, question};

fn clients(wire: &Wire) -> Vec<(&'static str, Box<dyn ChatModel>)> {
    vec![
        ("openai", Box::new(OpenAiClient::at(wire.at("/v1")))),
        ("responses", Box::new(ResponsesClient::at(wire.at("/v1")))),
        ("anthropic", Box::new(AnthropicClient::at(wire.at("")))),
        ("gemini", Box::new(GeminiClient::at(wire.at("")))),
        ("ollama", Box::new(OllamaClient::at(wire.at("")))),
        ("dify", Box::new(DifyClient::at(wire.at("")))),
    ]
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let wire = Wire::start().await;
    for (name, client) in clients(&wire) {
        for (reply, code) in [
            (Reply::of("<html>hello</html>"), "provider_malformed"),
            (
                Reply::of("{\"oops\""),
                if name == "ollama" { "provider_stream_broken" } else { "provider_malformed" },
            ),
            (Reply::breaking_after(b""), "provider_stream_broken"),
            (Reply::failing(401, &json!({"message": KEY})), "provider_unauthorized"),
            (Reply::failing(302, &Value::Null), "provider_failed"),
            (Reply::failing(404, &json!({"error": "no"})), "provider_unknown_model"),
            (Reply::failing(529, &json!({"error": {"message": "x"}})), "provider_failed"),
        ] {
            wire.will(reply);
            let error = ask(client.as_ref(), question("m")).await.1.unwrap();
            assert_eq!(error.code(), code, "{name}: {error}");
            assert!(!error.to_string().contains(KEY), "{name}: {error}");
        }
        let slow = Reply::failing(429, &json!({"error": {"message": "slow down"}}));
        wire.will(slow.with_header("retry-after", "7"));
        let error = ask(client.as_ref(), question("m")).await.1.unwrap();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_broken_piece_ends_the_answer() {
    let wire = Wire::start().await;
    for (name, client) in clients(&wire) {
        let body = if name == "ollama" { "{\"done\":fals\n" } else { "data: {\"type\":\n\n" };
        wire.will(Reply::of(body));
        let error = ask(client.as_ref(), question("m")).await.1.unwrap();
        assert!(matches!(error, LlmError::Malformed(_)), "{name}: {error}");
    }
}

#[tokio::test]
async fn refusals_in_each_providers_words_mean_the_same() {
    let wire = Wire::start().await;
    let google = |code: u16, status: &str, message: &str| json!({"error": {"code": code, "status": status, "message": message}});
    let anthropic = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    for (status, body, code) in [
        (
            400,
            google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            "provider_unauthorized",
        ),
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1) exceeds the maximum number of tokens allowed (0).",
            ),
            "context_length_exceeded",
        ),
        (
            400,
            anthropic("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
            "context_length_exceeded",
        ),
        (
            400,
            anthropic("invalid_request_error", "Your credit balance is too low to access the API"),
            "provider_no_credit",
        ),
        (413, anthropic("request_too_large", "too large"), "provider_rejected"),
        (
            400,
            json!({"error": {"code": "Arrearage", "message": "Access denied"}}),
            "provider_no_credit",
        ),
        (
            400,
            json!({"error": {"message": "Range of input length should be [1, 30720]"}}),
            "context_length_exceeded",
        ),
        (
            400,
            json!({"code": "provider_quota_exceeded", "message": "x", "status": 400}),
            "provider_no_credit",
        ),
        (402, json!({"error": {"message": "Insufficient Balance"}}), "provider_no_credit"),
        (
            429,
            json!({"error": {"message": "You exceeded your current quota, please check your plan.",
                "type": "insufficient_quota", "code": "insufficient_quota"}}),
            "provider_no_credit",
        ),
        (
            429,
            json!({"error": {"message": "Your account is not active.",
                "type": "billing_not_active", "code": "billing_not_active"}}),
            "provider_no_credit",
        ),
        (
            403,
            json!({"error": {"code": "AccountOverdueError", "type": "Forbidden",
                "message": "The request failed because your account has an overdue balance."}}),
            "provider_no_credit",
        ),
        (
            403,
            json!({"error": {"code": "AllocationQuota.FreeTierOnly",
                "message": "The free tier of the model has been exhausted."}}),
            "provider_no_credit",
        ),
        (
            429,
            json!({"error": {"code": "Throttling.AllocationQuota", "message": "too many tokens"}}),
            "provider_rate_limited",
        ),
    ] {
        wire.will(Reply::failing(status, &body));
        let client = OpenAiClient::at(wire.at("/v1"));
        let error = ask(&client, question("m")).await.1.unwrap();
        assert_eq!(error.code(), code, "{body}");
    }
    let mut quota = google(429, "RESOURCE_EXHAUSTED", "quota");
    quota["error"]["details"] = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "34.5s"}]);
    wire.will(Reply::failing(429, &quota));
    let error = ask(&GeminiClient::at(wire.at("")), question("m")).await.1.unwrap();
    assert_eq!(error.retry_after(), Some(Duration::from_millis(34_500)));
}

#[tokio::test]
async fn errors_inside_a_stream_are_what_they_say() {
    let wire = Wire::start().await;
    let overloaded = json!({"type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"}});
    wire.will(Reply::of(format!("event: error\ndata: {overloaded}\n\n")));
    let error = ask(&AnthropicClient::at(wire.at("")), question("m")).await.1.unwrap();
    assert!(matches!(error, LlmError::Provider { status: 529, .. }), "{error}");
    assert!(error.is_retryable());
    let unavailable = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}});
    wire.will(Reply::of(format!("data: {unavailable}\r\n\r\n")));
    let error = ask(&GeminiClient::at(wire.at("")), question("m")).await.1.unwrap();
    assert!(matches!(error, LlmError::Provider { status: 503, .. }), "{error}");
    for limited in [
        json!({"error": {"code": "1302", "message": "too many at once"}}),
        json!({"error": {"type": "rate_limit_reached_error", "message": "too many at once"}}),
        json!({"code": "limit_requests", "message": "too many at once"}),
    ] {
        wire.will(Reply::of(format!("data: {limited}\n\n")));
        let error = ask(&OpenAiClient::at(wire.at("/v1")), question("m")).await.1.unwrap();
        assert!(matches!(error, LlmError::RateLimited { .. }), "{limited}: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_fails_says_how() {
    let wire = Wire::start().await;
    // It speaks no TLS.
    let secure = wire.origin.replace("http://", "https://");
    let nobody = "http://127.0.0.1:1";
    for (origin, code) in
        [(secure.as_str(), "provider_tls_failed"), (nobody, "provider_unreachable")]
    {
        let client = AnthropicClient::at(Wire::elsewhere(origin));
        let error = ask(&client, question("m")).await.1.unwrap();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_end_an_answer() {
    let wire = Wire::start().await;
    let line = b"{\"model\":\"m\",\"message\":{\"content\":\"a\xff\"},\"done\":true}\n".to_vec();
    wire.will(Reply::of(line));
    let (events, failure) = ask(&OllamaClient::at(wire.at("")), question("m")).await;
    assert!(failure.is_none(), "{failure:?}");
    assert!(events.contains("text \"a\u{fffd}\""), "{events}");
}
