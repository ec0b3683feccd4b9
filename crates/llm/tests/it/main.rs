//! The provider clients against what their providers really send and want: golden requests, golden
//! streams in every cut, and faults. `UPDATE_GOLDEN=1` writes the golden files anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod anthropic;
mod dify;
mod embedding;
mod faults;
mod gemini;
mod members;
mod ollama;
mod openai;
mod responses;
mod surfaces;
mod wire;
