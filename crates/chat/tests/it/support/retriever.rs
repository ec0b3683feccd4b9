use std::sync::Mutex;

use async_trait::async_trait;
use lyceum_chat::{Question, Retrieval, RetrievedChunk, Retriever};
use lyceum_core::new_id;
use lyceum_http::ApiError;
use uuid::Uuid;

/// Finds what it is given, in the bases that it is given.
#[derive(Default)]
pub struct ScriptedRetriever {
    pub bases: Mutex<Vec<Uuid>>,
    pub chunks: Mutex<Vec<RetrievedChunk>>,
    pub questions: Mutex<Vec<String>>,
    pub keys: Mutex<Vec<Option<Uuid>>>,
    /// Only questions with this word are what the passages are about.
    pub about: Mutex<&'static str>,
    pub being_read: Mutex<usize>,
    /// Longer questions, in bytes, fail.
    pub limit: Mutex<Option<usize>>,
}

impl ScriptedRetriever {
    /// A base with these passages.
    pub fn base(&self, chunks: Vec<RetrievedChunk>) -> Uuid {
        let base = new_id();
        self.bases.lock().unwrap().push(base);
        *self.chunks.lock().unwrap() = chunks;
        base
    }
}

#[async_trait]
impl Retriever for ScriptedRetriever {
    async fn retrieve(&self, question: Question<'_>) -> Result<Retrieval, ApiError> {
        self.check(question.user_id, question.knowledge_bases).await?;
        self.questions.lock().unwrap().push(question.text.to_owned());
        self.keys.lock().unwrap().push(question.api_key_id);
        if self.limit.lock().unwrap().is_some_and(|limit| question.text.len() > limit) {
            return Err(ApiError::not_found("room"));
        }
        let mut chunks = self.chunks.lock().unwrap().clone();
        let about = question.text.contains(*self.about.lock().unwrap());
        chunks.iter_mut().for_each(|chunk| chunk.kept &= about);
        Ok(Retrieval { chunks, took_ms: 5, being_read: *self.being_read.lock().unwrap() })
    }

    async fn check(&self, _user: Uuid, knowledge_bases: &[Uuid]) -> Result<(), ApiError> {
        let known = self.bases.lock().unwrap();
        match knowledge_bases.iter().all(|base| known.contains(base)) {
            true => Ok(()),
            false => Err(ApiError::not_found("knowledge base")),
        }
    }
}

pub fn chunk(title: &str, content: &str, kept: bool) -> RetrievedChunk {
    RetrievedChunk {
        chunk_id: new_id(),
        document_id: new_id(),
        knowledge_base_id: new_id(),
        document_title: title.to_owned(),
        content: content.to_owned(),
        page: Some(2),
        section: None,
        start_offset: 10,
        end_offset: 20,
        score: 0.5,
        dense_rank: Some(1),
        dense_score: Some(0.9),
        text_rank: None,
        kept,
        token_count: 4,
    }
}
