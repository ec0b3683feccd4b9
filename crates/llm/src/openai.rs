//! The OpenAI protocol: the types on the wire and a client that stands behind [`crate::ChatModel`]
//! and [`crate::EmbeddingModel`]. Knows nothing of where requests may go: whoever makes the client
//! gives it an [`HttpSend`].

mod calls;
mod chat;
mod client;
mod embedding;
mod reading;
mod usage;
mod wire;

pub use crate::endpoint::{HttpSend, Timeouts};
pub use crate::pieces::Begun;
pub use calls::Calls;
pub use client::{Frame, Frames, OpenAiClient};
pub use reading::{finish_reason, readable};
pub use usage::{CompletionTokensDetails, PromptTokensDetails, WireUsage};
pub use wire::{
    Choice, ChunkChoice, ChunkDelta, Completion, CompletionChunk, CompletionMessage, EmbeddingData,
    EmbeddingList, EmbeddingVector, FunctionDelta, ModelEntry, ModelList, ToolCallChunk,
};

pub(crate) use reading::lenient;
