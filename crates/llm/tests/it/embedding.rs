use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::{EmbeddingModel, EmbeddingRequest, EmbeddingTask, LlmError};
use serde_json::{Value, json};

use crate::wire::{Reply, Wire};

fn request(task: EmbeddingTask, dimensions: Option<u32>) -> EmbeddingRequest {
    let input = ["a", "b", "c"].map(str::to_owned).to_vec();
    EmbeddingRequest { model: "m".to_owned(), input, task, dimensions }
}

#[tokio::test]
async fn gemini_embeds_in_batches_for_a_task() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at("")).with_embedding_batch(2);
    let two = json!({"embeddings": [{"values": [1.0, 0.5]}, {"values": [2.0, 0.5]}]});
    let one = json!({"embeddings": [{"values": [3.0, 0.5]}]});
    wire.will(Reply::of(two.to_string())).will(Reply::of(one.to_string()));
    let answer = client.embed(request(EmbeddingTask::Query, Some(2))).await.unwrap();
    assert_eq!(answer.embeddings, [[1.0, 0.5], [2.0, 0.5], [3.0, 0.5]]);
    assert_eq!((answer.model.as_str(), answer.usage), ("m", None));
    let seen = wire.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].call, "POST /v1beta/models/m:batchEmbedContents");
    let first = json!({"model": "models/m", "content": {"parts": [{"text": "a"}]},
        "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 2});
    assert_eq!(seen[0].json()["requests"][0], first);
    wire.will(Reply::of(two.to_string())).will(Reply::of(one.to_string()));
    client.embed(request(EmbeddingTask::Raw, None)).await.unwrap();
    let bare = json!({"model": "models/m", "content": {"parts": [{"text": "c"}]}});
    assert_eq!(wire.last().json()["requests"][0], bare);
}

#[tokio::test]
async fn ollama_embeds_in_batches_and_counts() {
    let wire = Wire::start().await;
    let client = OllamaClient::at(wire.at("")).with_embedding_batch(2);
    let answer = |vectors: Value, count: u64| {
        let body = json!({"model": "m:latest", "embeddings": vectors, "prompt_eval_count": count});
        Reply::of(body.to_string())
    };
    wire.will(answer(json!([[1.0], [2.0]]), 4)).will(answer(json!([[3.0]]), 2));
    let whole = client.embed(request(EmbeddingTask::Passage, None)).await.unwrap();
    assert_eq!(whole.embeddings, [[1.0], [2.0], [3.0]]);
    assert_eq!((whole.model.as_str(), whole.usage.unwrap().prompt_tokens), ("m:latest", 6));
    assert_eq!(wire.last().call, "POST /api/embed");
    assert_eq!(wire.last().json(), json!({"model": "m", "input": ["c"], "truncate": false}));
}

#[tokio::test]
async fn a_later_failure_tells_how_much_was_answered() {
    let wire = Wire::start().await;
    let client = OllamaClient::at(wire.at("")).with_embedding_batch(2);
    let first = json!({"embeddings": [[1.0], [2.0]]});
    wire.will(Reply::of(first.to_string())).will(Reply::failing(500, &json!({"error": "x"})));
    let mut answered = 0;
    let asked = client.embed_counted(request(EmbeddingTask::Raw, None), &mut answered).await;
    assert!(matches!(asked, Err(LlmError::Provider { status: 500, .. })), "{asked:?}");
    assert_eq!(answered, 2);
}

#[tokio::test]
async fn vectors_that_are_missing_or_broken_are_refused() {
    for body in [
        json!({"embeddings": [[1.0], [2.0]]}),
        json!({"embeddings": [[1.0], [2.0], []]}),
        json!({"embeddings": [[1.0], [2.0], [3.0, 4.0]]}),
        json!({"error": null}),
    ] {
        let wire = Wire::start().await;
        wire.will(Reply::of(body.to_string()));
        let asked = OllamaClient::at(wire.at("")).embed(request(EmbeddingTask::Raw, None)).await;
        assert!(matches!(asked, Err(LlmError::Malformed(_))), "{body}");
    }
}
