//! The OpenAI protocol: the types on the wire and a client that stands behind [`crate::ChatModel`]
//! and [`crate::EmbeddingModel`]. Knows nothing of where requests may go: whoever makes the client
//! gives it an [`HttpSend`].

mod chat;
mod client;
mod embedding;
mod failure;
mod wire;

pub use client::{Frame, Frames, HttpSend, OpenAiClient, Timeouts};
pub use wire::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage,
    CompletionTokensDetails, EmbeddingData, EmbeddingList, EmbeddingVector, FunctionDelta,
    ModelEntry, ModelList, PromptTokensDetails, ToolCallChunk, WireUsage,
};
