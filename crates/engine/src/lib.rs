//! Local models: the catalogue and its files, the engine process that runs them on llama.cpp, and
//! the supervisor that keeps that process alive and stands behind [`lyceum_llm`]'s ports.
//!
//! - [`LocalEngine`] is all that a server needs: it starts the process and answers for its models.
//! - [`child::main`] is what the process itself does.
//! - [`import`] and [`convert`] bring model files into the models folder.
//!
//! Invariants: native code runs in the child process only; a model file is never used before its
//! size and header fit the catalogue; only `native` knows llama.cpp's types; an answer that was
//! begun is never begun again.

pub mod catalogue;
pub mod child;
pub mod convert;
mod cores;
pub mod gguf;
pub mod import;
mod native;
mod supervisor;

pub use supervisor::{EngineConfig, EngineError, EngineStatus, LocalEngine, SOCKET};
