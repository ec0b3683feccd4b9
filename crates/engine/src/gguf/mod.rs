//! The GGUF container (version 3, little-endian), as far as this program needs it: the header of a
//! model file is read to learn what the file is, and converted models are written.
//!
//! Layout after <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>: magic, version, counts,
//! key-value pairs, tensor directory, padding, tensor data.

mod read;
mod write;

pub use read::{Header, read_header};
pub use write::{Tensor, TensorType, Value, Writer};

/// The first four bytes of a file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";

/// What is wrong with a GGUF file.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not a GGUF file of a version that is understood.
    #[error("not a GGUF file: {0}")]
    Format(String),
}
