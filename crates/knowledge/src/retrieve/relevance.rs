//! Whether what was found is about the question at all. A ranking always finds something; of a
//! question that the documents do not answer it is only the least bad.

use std::collections::HashSet;

use lyceum_store::is_chinese;

use super::RetrievedChunk;
use super::rank::Weights;
use super::store::Base;
use crate::words;

/// The model whose similarities the figures below were measured with, by `cargo xtask bench
/// quality`; each model has a scale of its own.
const MEASURED: &str = "multilingual-e5-small";
/// What similarity and coverage must add up to.
const THRESHOLD: f32 = 8.7;
const SIMILARITY_WEIGHT: f32 = 10.0;
const COVERAGE_WEIGHT: f32 = 2.0;
/// By how much more this model finds Chinese texts alike than English ones.
const CHINESE_SIMILARITY: f32 = 0.05;
/// The similarity that suffices between languages, where words tell nothing.
const FOREIGN_SIMILARITY: f32 = 0.745;
/// The best chunks, which are looked at.
const LOOKED_AT: usize = 3;

/// What tells whether a question is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Signs {
    /// The best similarity of meaning, as among English texts.
    similarity: f32,
    /// The share of the question's words that one chunk holds, each by its weight.
    coverage: f32,
}

impl Signs {
    fn suffice(self) -> bool {
        SIMILARITY_WEIGHT * self.similarity + COVERAGE_WEIGHT * self.coverage >= THRESHOLD
    }
}

/// Judges the chunks of a question with these words. Where a base has vectors of another model than
/// the measured one, only finding nothing at all tells something.
pub(super) async fn judge(
    bases: &[Base],
    question: &str,
    mut words: Weights,
    chunks: &[RetrievedChunk],
) -> bool {
    words.retain(|word, _| !ABOUT_DOCUMENTS.contains(&word.as_str()));
    let measured = bases.iter().all(|base| base.model == MEASURED);
    if chunks.is_empty() || !measured || words.is_empty() {
        return !chunks.is_empty();
    }
    let best = chunks.iter().filter_map(|chunk| chunk.dense_score).fold(-1.0, f32::max);
    let chinese = is_chinese(question);
    let texts: Vec<String> =
        chunks.iter().take(LOOKED_AT).map(|chunk| chunk.content.clone()).collect();
    let foreign = texts.iter().all(|text| is_chinese(text) != chinese);
    if foreign {
        return best >= FOREIGN_SIMILARITY;
    }
    let covered = tokio::task::spawn_blocking(move || coverage(&words, &texts)).await;
    let signs = Signs {
        similarity: if chinese { best - CHINESE_SIMILARITY } else { best },
        coverage: covered.unwrap_or_default(),
    };
    tracing::debug!(?signs, relevant = signs.suffice(), "what a question found");
    signs.suffice()
}

/// The share of the words, each by its weight, that the best of the texts holds.
fn coverage(words: &Weights, texts: &[String]) -> f32 {
    let all: f32 = words.values().sum();
    let held = |text: &String| -> f32 {
        let found: HashSet<String> = words::words(text).into_iter().collect();
        words.iter().filter(|(word, _)| found.contains(*word)).map(|(_, weight)| weight).sum()
    };
    texts.iter().map(held).fold(0.0, f32::max) / all.max(f32::EPSILON)
}

/// Words of questions about the documents themselves ("What are these about?"), which stand in none
/// of them. A question of nothing else can always be answered.
#[rustfmt::skip]
const ABOUT_DOCUMENTS: &[&str] = &[
    "about", "base", "cover", "content", "document", "file", "give", "knowledge", "list", "main", "overview",
    "page", "paper", "point", "say", "sum", "summarise", "summarize", "summary", "tell", "text",
    "topic", "up", "upload", "uploaded", "me", "key", "please", "briefly", "short", "all", "any",
    "一下", "一些", "主要", "主题", "介绍", "内容", "列出", "列", "出", "哪些", "哪些方面", "方面", "文件", "文档", "文章",
    "材料", "资料", "概括", "概述", "概要", "总结", "摘要", "简要", "要点", "讲", "讲述", "说", "请", "请问",
    "告诉", "关于", "知识", "知识库", "上传", "这些", "那些", "里", "中", "中有", "帮", "帮我", "这份", "这篇", "篇文章", "给", "都", "页", "大意",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_words_by_what_they_tell() {
        let owned = |(word, weight): (&str, f32)| (word.to_owned(), weight);
        let words: Weights =
            [("mirror", 1.0), ("telescope", 1.0), ("mongolia", 6.0)].map(owned).into();
        let texts = ["The mirrors of the telescope".to_owned(), "a mirror".to_owned()];
        assert!((coverage(&words, &texts) - 0.25).abs() < 1e-6);
        assert!(coverage(&words, &[]).abs() < 1e-6);
    }

    #[test]
    fn likeness_alone_suffices_only_where_it_is_great() {
        assert!(Signs { similarity: 0.88, coverage: 0.0 }.suffice());
        assert!(Signs { similarity: 0.82, coverage: 0.5 }.suffice());
        assert!(!Signs { similarity: 0.82, coverage: 0.2 }.suffice());
    }

    #[tokio::test]
    async fn a_question_about_the_documents_themselves_is_never_refused() {
        let base = Base {
            id: uuid::Uuid::nil(),
            owner: uuid::Uuid::nil(),
            model: MEASURED.to_owned(),
            model_config: None,
            dimension: 384,
            chunk_count: 1,
            word_count: 9,
        };
        let chunk: RetrievedChunk = serde_json::from_value(serde_json::json!({
            "chunk_id": base.id, "document_id": base.id, "knowledge_base_id": base.id,
            "document_title": "", "content": "The mirror measures 84 cm.", "page": null,
            "section": null, "start_offset": 0, "end_offset": 9, "score": 0.0, "dense_rank": 1,
            "dense_score": 0.72, "text_rank": null, "text_score": null, "kept": true,
            "token_count": 9,
        }))
        .unwrap();
        let judged = async |question: &str| {
            let words = words::distinct(question).into_iter().map(|word| (word, 1.0)).collect();
            judge(std::slice::from_ref(&base), question, words, std::slice::from_ref(&chunk)).await
        };
        assert!(judged("What are these documents about? Give the main points.").await);
        assert!(judged("这些文档讲了什么？请列出要点。").await);
        assert!(judged("请总结一下这些资料的主要内容").await);
        assert!(!judged("Who won the football world cup in 1974?").await);
        assert!(!judged("北京地铁有多少条线路？").await);
    }
}
