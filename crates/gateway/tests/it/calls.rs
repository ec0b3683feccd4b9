use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::post;
use axum::{Json, Router};
use futures::StreamExt as _;
use lyceum_core::Problem as _;
use lyceum_gateway::{CallContext, GatewayError, Purpose};
use lyceum_llm::{
    ChatEvent, ChatMessage, ChatRequest, EmbeddingRequest, EmbeddingTask, FinishReason, Role,
};
use serde_json::json;
use uuid::Uuid;

use crate::kinds::Kind;
use crate::world::World;

fn question(text: &str) -> ChatRequest {
    ChatRequest::new("overwritten", vec![ChatMessage::text(Role::User, text)])
}

async fn ask(
    world: &World,
    user: Uuid,
    model: Option<Uuid>,
    context: CallContext,
) -> Result<(String, FinishReason), GatewayError> {
    let model = world.gateway.resolve_chat_model(user, model).await?;
    let mut stream = world.gateway.chat(context, &model, question("one two three")).await?;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event? {
            ChatEvent::Text(more) => text.push_str(&more),
            ChatEvent::Finished { reason, .. } => return Ok((text, reason)),
            _ => {}
        }
    }
    panic!("the stream ended without an end");
}

#[tokio::test]
async fn an_answered_call_is_in_the_ledger_when_its_end_is_handed_out() {
    let world = World::new().await;
    let user = world.user("ada").await;
    let context = CallContext::new(user, Purpose::Chat);
    let request_id = context.request_id;
    let (text, reason) = ask(&world, user, None, context).await.unwrap();
    assert_eq!((text.as_str(), reason), ("You said: one two three", FinishReason::Stop));
    // Without waiting for anything.
    let record = world.gateway.call_record(user, request_id).await.unwrap().unwrap();
    assert_eq!((record.prompt_tokens, record.completion_tokens), (3, 5));
    assert_eq!((record.provider.as_str(), record.model.as_str()), ("local", "local-chat"));
    assert_eq!(record.cost, Some(rust_decimal::Decimal::ZERO.round_dp(9)));
    assert!(record.first_token_ms.is_some() && !record.estimated);
    // And nobody else's.
    let other = world.user("bob").await;
    assert_eq!(world.gateway.call_record(other, request_id).await.unwrap(), None);
}

#[tokio::test]
async fn every_fault_is_a_clear_error_and_a_row() {
    let world = World::new().await;
    let user = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    // model, error code, and whether tokens may have been used
    let faults = [
        ("status-401", Some("provider_unauthorized"), false),
        ("status-404", Some("provider_unknown_model"), false),
        ("status-400", Some("provider_rejected"), false),
        ("status-429", Some("provider_rate_limited"), false),
        ("status-500", Some("provider_failed"), false),
        ("cut", Some("provider_stream_broken"), true),
        ("garbage", Some("provider_malformed"), true),
        ("half-frame", Some("provider_stream_broken"), true),
        ("stream-error", Some("provider_failed"), true),
        ("hang", Some("provider_timeout"), true),
        ("stall", Some("provider_timeout"), true),
        ("no-usage", None, true),
        ("no-done", None, false),
    ];
    for (model, code, estimated) in faults {
        let id = world.model("ada", &provider, model, "chat").await.parse().unwrap();
        let context = CallContext::new(user, Purpose::Chat);
        let outcome = ask(&world, user, Some(id), context).await;
        match (code, &outcome) {
            (None, Ok((text, _))) => assert_eq!(text, "You said: one two three", "{model}"),
            (Some(code), Err(error)) => assert_eq!(error.code(), code, "{model}: {error}"),
            _ => panic!("{model}: {outcome:?}"),
        }
        let rows = world.ledger().await;
        let row = rows.last().unwrap();
        assert_eq!(row.model, model);
        assert_eq!(row.error_code.as_deref(), code, "{row:?}");
        assert_eq!(row.status, if code.is_some() { "failed" } else { "completed" }, "{row:?}");
        assert_eq!(row.estimated, estimated, "{row:?}");
        assert_eq!(row.prompt_tokens > 0, estimated || code.is_none(), "{row:?}");
    }
    assert_eq!(world.ledger().await.len(), faults.len());
}

#[tokio::test]
async fn dropping_the_stream_cancels_at_the_provider_and_is_recorded() {
    let world = World::new().await;
    let user = world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let id = world.model("ada", &provider, "gated", "chat").await.parse().unwrap();
    let model = world.gateway.resolve_chat_model(user, Some(id)).await.unwrap();
    let context = CallContext::new(user, Purpose::Chat);
    let mut stream = world.gateway.chat(context, &model, question("one two")).await.unwrap();
    world.upstream.release(2);
    let mut texts = 0;
    while texts < 2 {
        texts += usize::from(matches!(stream.next().await.unwrap().unwrap(), ChatEvent::Text(_)));
    }
    drop(stream);
    world.upstream.wait_for(|upstream| upstream.abandoned() == 1).await;
    let rows = world.ledger().await;
    let row = rows.last().unwrap();
    assert_eq!((row.status.as_str(), row.estimated), ("cancelled", true), "{row:?}");
    assert!(row.completion_tokens > 0 && row.prompt_tokens > 0, "{row:?}");
    // The price of this provider was never given: unknown, not nothing.
    assert_eq!(row.cost, None);
}

#[tokio::test]
async fn embeddings_come_in_order_and_are_recorded() {
    let world = World::new().await;
    let user = world.user("ada").await;
    let model = world.gateway.embedding_model(user, "local-embedding").await.unwrap();
    assert_eq!(model.dimensions, Some(8));
    let request = |input: &[&str]| EmbeddingRequest {
        model: String::new(),
        input: input.iter().map(|&text| text.to_owned()).collect(),
        task: EmbeddingTask::Query,
        dimensions: None,
    };
    let context = || CallContext::new(user, Purpose::Retrieval);
    let many: Vec<String> = (0..150).map(|n| format!("text number {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let all = world.gateway.embed(context(), &model, request(&many)).await.unwrap();
    let one = world.gateway.embed(context(), &model, request(&many[149..])).await.unwrap();
    assert_eq!(all.embeddings.len(), 150);
    assert_eq!(all.embeddings[149], one.embeddings[0]);
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].prompt_tokens, rows[0].purpose.as_str()), (450, "retrieval"));
    // A chat model is no embedding model.
    let wrong = world.gateway.embedding_model(user, "local-chat").await;
    assert_eq!(wrong.err().unwrap().code(), "wrong_model_kind");
}

#[tokio::test]
async fn what_is_cut_at_a_stop_sequence_is_estimated_with_its_thinking() {
    let world = World::new().await;
    world.user("ada").await;
    // They know no stop sequences, and their counts come at the end alone.
    let responses = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    for kind in [responses, Kind::new("dify", "")] {
        let name = kind.provider;
        let provider = world.at_kind(&kind, name).await;
        world.model_at(&provider, name, "think").await;
        for stream in [false, true] {
            let body = json!({"model": name, "stream": stream, "stop": "said",
                "messages": [{"role": "user", "content": "one two three"}]});
            let (status, answer) = world.send("ada", "POST", "/v1/chat/completions", body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let answer = answer.to_string();
            assert!(answer.contains("You ") && !answer.contains("said"), "{name}: {answer}");
            let row = world.ledger().await.pop().unwrap();
            assert_eq!((row.status.as_str(), row.estimated), ("completed", true), "{row:?}");
            assert!(row.prompt_tokens > 0 && row.reasoning_tokens >= 3, "{row:?}");
            assert!(row.completion_tokens > row.reasoning_tokens, "{row:?}");
        }
    }
}

/// A server that answers one request and fails from then on; its base URL.
async fn failing_later() -> String {
    let calls = Arc::new(AtomicUsize::new(0));
    let embeddings = move || {
        let earlier = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            match earlier {
                0 => Json(json!({"data": [{"index": 0, "embedding": [1.0]}]})).into_response(),
                _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
    };
    let app = Router::new().route("/v1/embeddings", post(embeddings));
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://127.0.0.2:{port}/v1")
}

#[tokio::test]
async fn what_was_embedded_before_a_failure_is_recorded() {
    let world = World::new().await;
    let user = world.user("ada").await;
    let body = json!({"provider": "custom", "name": "own", "scope": "personal",
        "base_url": failing_later().await, "config": {"embedding_batch_size": 1}});
    let (status, view) = world.send("ada", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    world.model("ada", view["id"].as_str().unwrap(), "embedder", "embedding").await;
    let model = world.gateway.embedding_model(user, "embedder").await.unwrap();
    let request = EmbeddingRequest {
        model: String::new(),
        input: vec!["eight ch".to_owned(), "and twelve c".to_owned()],
        task: EmbeddingTask::Passage,
        dimensions: None,
    };
    let context = CallContext::new(user, Purpose::Embedding);
    let error = world.gateway.embed(context, &model, request).await.err().unwrap();
    assert_eq!(error.code(), "provider_failed");
    let rows = world.ledger().await;
    let row = rows.last().unwrap();
    assert_eq!((row.status.as_str(), row.estimated), ("failed", true), "{row:?}");
    assert_eq!(row.prompt_tokens, 2);
}
