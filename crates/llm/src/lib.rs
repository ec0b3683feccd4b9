//! What a language model is to Lyceum: the request, the stream of answers, the usage, and the two
//! ports ([`ChatModel`], [`EmbeddingModel`]) that every provider client and the local engine stand
//! behind. Knows neither SQL nor axum.

mod chat;
mod embedding;
mod error;
mod local;
pub mod openai;
pub mod sse;

pub use chat::{
    ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatStream, Content, ContentPart, FinishReason,
    Role, ToolCallDelta, Usage,
};
pub use embedding::{EmbeddingModel, EmbeddingRequest, EmbeddingResponse, EmbeddingTask};
pub use error::LlmError;
pub use local::{LocalModel, LocalModels, ModelKind, TokenCounter};
