//! The engine process and its supervisor, with real models. The models come from
//! `script/bootstrap --test`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chat;
mod embedding;
mod import;
mod supervisor;
mod support;
