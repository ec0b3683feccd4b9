use std::time::Duration;

use lyceum_llm::{FinishReason, LlmError};
use serde_json::json;

use crate::support::{App, Step, fails};

#[tokio::test]
async fn a_provider_that_fails_is_named_and_can_be_asked_again() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    type Fault = fn() -> LlmError;
    let errors: [(Fault, &str); 6] = [
        (|| LlmError::Unauthorized("bad key".into()), "provider_unauthorized"),
        (
            || LlmError::RateLimited { message: "slow down".into(), retry_after: None },
            "provider_rate_limited",
        ),
        (|| LlmError::Provider { status: 500, message: "boom".into() }, "provider_failed"),
        (|| LlmError::Timeout(Duration::from_secs(1)), "provider_timeout"),
        (|| LlmError::Malformed("<html>\0".into()), "provider_malformed"),
        (|| LlmError::EngineUnavailable("starting".into()), "engine_unavailable"),
    ];
    for (error, code) in errors {
        node.model.will(fails(error));
        let failed = client.answer(&id, &format!("try {code}")).await;
        assert_eq!(failed["status"], "error");
        assert_eq!(failed["error"]["code"], code);
        assert!(!failed["error"]["detail"].as_str().unwrap().is_empty());
        assert_eq!(failed["content"], "");
        assert_eq!(client.get(&format!("/conversations/{id}")).await["status"], "error");
        let path = format!("/messages/{}/regenerate", failed["id"].as_str().unwrap());
        let again = client.call("POST", &path, None).await.expect(201);
        let again = client.done(again["assistant_message"]["id"].as_str().unwrap()).await;
        assert_eq!(again["status"], "completed");
    }
}

#[tokio::test]
async fn a_cut_stream_keeps_what_was_said() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    for (last, code) in [
        (Step::Cut, "provider_stream_broken"),
        (Step::Fail(|| LlmError::Malformed("not JSON".into())), "provider_malformed"),
    ] {
        node.model.will([Step::Say("The first "), Step::Say("half"), last]);
        let failed = client.answer(&id, code).await;
        assert_eq!(failed["status"], "error");
        assert_eq!(failed["error"]["code"], code);
        assert_eq!(failed["content"], "The first half");
    }
}

#[tokio::test]
async fn a_failed_question_is_left_out_of_the_history() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    node.model.will(fails(|| LlmError::Connect("refused".into())));
    client.answer(&id, "lost").await;
    client.answer(&id, "found").await;
    let prompt = node.model.last_prompt();
    assert_eq!(prompt.len(), 2);
    assert_eq!(prompt[1].1, "found");
}

#[tokio::test]
async fn an_answer_without_text_is_an_error() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    for reason in [FinishReason::Stop, FinishReason::Length, FinishReason::ContentFilter] {
        node.model.will([Step::Reason("hm"), Step::Say(" \n"), Step::Finish(reason)]);
        let failed = client.answer(&id, "speak").await;
        assert_eq!(failed["error"]["code"], "empty_answer");
        assert_eq!(failed["reasoning"], "hm");
        assert_eq!(failed["completion_tokens"], 7, "it was paid for all the same");
    }
}

#[tokio::test]
async fn nul_and_a_panic_of_a_model_do_no_harm() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    node.model.will([Step::Say("a\0b"), Step::Finish(FinishReason::Other("x\0y".into()))]);
    let done = client.answer(&id, "nul").await;
    assert_eq!(done["content"], "ab");
    assert_eq!(done["finish_reason"], "xy");
    node.model.will([Step::Say("so far"), Step::Panic]);
    let failed = client.answer(&id, "panic").await;
    assert_eq!(failed["error"]["code"], "internal");
    assert_eq!(failed["content"], "so far");
    assert_eq!(node.chat.running(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_what_a_row_holds() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let piece = "x".repeat(300_000);
    node.model.will((0..5).map(|_| Step::SayOwned(piece.clone())).collect::<Vec<_>>());
    let done = client.answer(&id, "endless").await;
    assert_eq!(done["finish_reason"], "length");
    assert!(done["content"].as_str().unwrap().len() <= 1_000_000);
}

#[tokio::test]
async fn a_question_beyond_the_models_context_is_refused_clearly() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let failed = client.answer(&id, &"知识".repeat(3_000)).await;
    assert_eq!(failed["error"]["code"], "context_length_exceeded");
    assert!(node.model.requests().is_empty());
}
