//! What chat asks of the knowledge bases.

use async_trait::async_trait;
use lyceum_chat::{Question, Retrieval, RetrievedChunk, Retriever};
use lyceum_http::ApiError;
use lyceum_knowledge::{Asker, Knowledge};
use uuid::Uuid;

/// The knowledge domain behind chat's port.
pub struct KnowledgeRetriever(pub Knowledge);

#[async_trait]
impl Retriever for KnowledgeRetriever {
    async fn retrieve(&self, question: Question<'_>) -> Result<Retrieval, ApiError> {
        let asker = Asker {
            user_id: question.user_id,
            api_key_id: question.api_key_id,
            request_id: question.request_id,
        };
        let found = self.0.retrieve(asker, question.knowledge_bases, question.text, None).await?;
        let chunks = found.chunks.into_iter().map(|chunk| RetrievedChunk {
            chunk_id: chunk.chunk_id,
            document_id: chunk.document_id,
            knowledge_base_id: chunk.knowledge_base_id,
            document_title: chunk.document_title,
            content: chunk.content,
            page: chunk.page,
            section: chunk.section,
            start_offset: chunk.start_offset,
            end_offset: chunk.end_offset,
            score: chunk.score,
            dense_rank: chunk.dense_rank,
            dense_score: chunk.dense_score,
            text_rank: chunk.text_rank,
            // The nearest passages are no sources where none is about the question.
            kept: chunk.kept && found.relevant,
            token_count: chunk.token_count,
        });
        let (took_ms, being_read) = (found.took_ms, found.being_read);
        Ok(Retrieval { chunks: chunks.collect(), took_ms, being_read })
    }

    async fn check(&self, user: Uuid, knowledge_bases: &[Uuid]) -> Result<(), ApiError> {
        Ok(self.0.check_bases(user, knowledge_bases).await?)
    }
}
