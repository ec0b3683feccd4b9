//! What a language model is to Lyceum: the request, the stream of answers, the usage, and the two
//! ports ([`ChatModel`], [`EmbeddingModel`]) that every provider client and the local engine stand
//! behind. Knows neither SQL nor axum.
//!
//! A request has OpenAI's form everywhere; a client of another protocol translates it and gives
//! back what its provider has: text, reasoning, tool calls, reasons to end, usage.

pub mod anthropic;
mod chat;
mod convert;
pub mod dify;
mod embedding;
mod endpoint;
mod error;
mod failure;
mod fit;
pub mod gemini;
mod lines;
mod listing;
mod local;
mod native;
pub mod ollama;
pub mod openai;
mod pieces;
pub mod responses;
pub mod sse;
mod stops;
mod stream;
pub mod surface;

pub use chat::{
    ChatEvent, ChatMessage, ChatModel, ChatRequest, ChatStream, Content, ContentPart, FinishReason,
    Role, ToolCallDelta, Usage,
};
pub use embedding::{EmbeddingModel, EmbeddingRequest, EmbeddingResponse, EmbeddingTask};
pub use endpoint::{Endpoint, HttpSend, Timeouts, secrets_in};
pub use error::LlmError;
pub use failure::TransportError;
pub use fit::{Lessons, Members, Server, Taken};
pub use listing::{ListedModel, ListedTask};
pub use local::{LocalModel, LocalModels, ModelKind, TokenCounter};
pub use native::{Native, Passed, PassedStream};
