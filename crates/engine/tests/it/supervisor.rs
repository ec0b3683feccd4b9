use std::time::{Duration, Instant};

use futures::StreamExt;
use lyceum_llm::{ChatModel, EmbeddingModel, EmbeddingRequest, EmbeddingTask, LlmError};

use crate::support::{EMBEDDING, answer, ask, first_text, start, start_with};

fn kill(pid: u32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

async fn pid(engine: &lyceum_engine::LocalEngine) -> u32 {
    engine.health().await.unwrap().pid
}

#[tokio::test]
async fn killed_in_mid_stream_the_caller_hears_of_it_and_the_next_request_works() {
    let engine = start().await;
    let mut stream = engine.chat(ask("Write a very long story.", 3000)).await.unwrap();
    first_text(&mut stream).await;
    let before = pid(&engine).await;
    kill(before);
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LlmError::BrokenStream(_)), "{error}");
    let next = answer(&engine, ask("Write a long story about a fox.", 3)).await;
    assert_eq!(next.usage.completion_tokens, 3);
    let status = engine.status();
    assert_eq!((status.state, status.restarts), ("ready", 1));
    assert!(status.last_error.unwrap().contains("signal: 9"));
    assert_ne!(pid(&engine).await, before);
    // What it does not read is told apart.
    assert!(engine.takes("seed") && !engine.takes("logit_bias"));
}

#[tokio::test]
async fn killed_before_the_answer_the_request_is_made_again() {
    let engine = start().await;
    let text = "A passage of some length about nothing in particular. ".repeat(20);
    let request = EmbeddingRequest {
        model: EMBEDDING.to_owned(),
        input: vec![text; 40],
        task: EmbeddingTask::Passage,
        dimensions: None,
    };
    engine.count_tokens(EMBEDDING, &["loaded".to_owned()]).await.unwrap();
    let task = tokio::spawn({
        let engine = engine.engine.clone();
        async move { engine.embed(request).await }
    });
    crate::support::until(&engine, |loaded| loaded[0].active == 1).await;
    kill(pid(&engine).await);
    assert_eq!(task.await.unwrap().unwrap().embeddings.len(), 40);
    assert_eq!(engine.status().restarts, 1);
}

#[tokio::test]
async fn a_program_that_cannot_run_is_reported_and_requests_fail_clearly() {
    let engine = start_with(|config| config.program = "/nowhere/lyceum".into()).await;
    let error = engine.chat(ask("hi", 1)).await.err().unwrap();
    assert!(matches!(error, LlmError::EngineUnavailable(_)), "{error}");
    assert!(
        !error.to_string().contains("/nowhere"),
        "callers learn nothing of the machine: {error}"
    );
    let status = engine.status();
    assert!(status.last_error.unwrap().contains("/nowhere"), "administrators do");
    assert_eq!(status.pid, None);
    assert!(!engine.is_ready());
}

#[tokio::test]
async fn the_process_ends_with_its_supervisor() {
    let engine = start().await;
    let pid = pid(&engine).await;
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    engine.shutdown().await;
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(engine.status().state, "stopped");
    let begun = Instant::now();
    let error = engine.chat(ask("hi", 1)).await.err().unwrap();
    assert!(matches!(error, LlmError::EngineUnavailable(_)), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "it does not wait for what will not come");
}
