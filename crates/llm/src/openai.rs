//! The OpenAI protocol: the types on the wire and a client that stands behind [`crate::ChatModel`]
//! and [`crate::EmbeddingModel`]. Knows nothing of where requests may go: whoever makes the client
//! gives it an [`HttpSend`].

mod chat;
mod client;
mod embedding;
mod wire;

pub use crate::endpoint::{HttpSend, Timeouts};
pub use client::{Frame, Frames, OpenAiClient};
pub use wire::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage,
    CompletionTokensDetails, EmbeddingData, EmbeddingList, EmbeddingVector, FunctionDelta,
    ModelEntry, ModelList, PromptTokensDetails, ToolCallChunk, WireUsage,
};

pub(crate) use wire::lenient;
