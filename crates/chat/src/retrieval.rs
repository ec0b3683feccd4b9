use async_trait::async_trait;
use lyceum_http::ApiError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A question to knowledge bases.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose rights count.
    pub user_id: Uuid,
    /// The API key that the question came with: what it takes counts for the key, too.
    pub api_key_id: Option<Uuid>,
    /// Where to look.
    pub knowledge_bases: &'a [Uuid],
    /// The question.
    pub text: &'a str,
    /// The request that it belongs to.
    pub request_id: Uuid,
}

/// What chat needs of the knowledge bases; the server wires it.
#[async_trait]
pub trait Retriever: Send + Sync {
    /// Finds passages for the question, under the user's own rights. Unknown or foreign bases are
    /// an error. Where none is about the question, none is kept.
    async fn retrieve(&self, question: Question<'_>) -> Result<Retrieval, ApiError>;

    /// Whether the user may ask these bases; called before they are attached to a conversation.
    async fn check(&self, _user: Uuid, _knowledge_bases: &[Uuid]) -> Result<(), ApiError> {
        Ok(())
    }
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Retrieval {
    /// Passages, best first, those included that were dropped in the end.
    pub chunks: Vec<RetrievedChunk>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Documents of the knowledge bases that are still being processed and cannot be found yet.
    #[serde(default)]
    pub being_read: usize,
}

impl Retrieval {
    /// Whether no passage is about the question.
    pub(crate) fn found_nothing(&self) -> bool {
        !self.chunks.iter().any(|chunk| chunk.kept)
    }

    /// Whether no document can be found yet: a ranking always finds something.
    pub(crate) fn nothing_is_ready(&self) -> bool {
        self.chunks.is_empty() && self.being_read > 0
    }
}

/// One passage that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RetrievedChunk {
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// The document's knowledge base.
    pub knowledge_base_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The passage.
    pub content: String,
    /// The page it begins on, counted from 1, where the document has pages.
    pub page: Option<i32>,
    /// The part of a long text without pages that it stands in, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<i32>,
    /// Where it begins in the document's text, in characters.
    pub start_offset: i32,
    /// Where it ends.
    pub end_offset: i32,
    /// The fused score; higher is better.
    pub score: f64,
    /// Its place in the search by meaning, from 1; absent if not found there.
    pub dense_rank: Option<i32>,
    /// The similarity of meaning, -1 to 1.
    pub dense_score: Option<f32>,
    /// Its place in the search by words, from 1; absent if not found there.
    pub text_rank: Option<i32>,
    /// Whether it was good enough to be used.
    pub kept: bool,
    /// Its length in tokens of the embedding model.
    pub token_count: i32,
}
