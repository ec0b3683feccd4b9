//! The only place that knows llama.cpp: model files, tokens and the two engine threads. Everything
//! that leaves it is a plain number, byte or string.

mod chat;
mod embed;
mod sampling;
mod slot;

use std::path::Path;
use std::sync::OnceLock;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;

pub(crate) use chat::{ChatJob, ChatOutput, ChatSettings, ChatUsage, EndReason, run_chat};
pub(crate) use embed::{EmbedJob, EmbedSettings, MAX_BATCH_TOKENS, run_embed};
pub(crate) use sampling::{Grammar, Sampling};

/// A token's number in its vocabulary.
pub(crate) type Token = i32;

/// What llama.cpp could not do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NativeError(pub(crate) String);

impl NativeError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

static BACKEND: OnceLock<Result<LlamaBackend, NativeError>> = OnceLock::new();

/// llama.cpp's process-wide state, set up on first use.
fn backend() -> Result<&'static LlamaBackend, NativeError> {
    let set_up = || {
        let mut backend = LlamaBackend::init().map_err(NativeError::new)?;
        if std::env::var_os("LYCEUM_ENGINE_NATIVE_LOG").is_none() {
            backend.void_logs();
        }
        Ok(backend)
    };
    BACKEND.get_or_init(set_up).as_ref().map_err(NativeError::clone)
}

/// A loaded model file.
pub(crate) struct NativeModel {
    model: LlamaModel,
}

impl NativeModel {
    /// Maps the file into memory; takes from milliseconds to seconds.
    pub(crate) fn load(path: &Path) -> Result<Self, NativeError> {
        let parameters = LlamaModelParams::default().with_n_gpu_layers(0);
        let model = LlamaModel::load_from_file(backend()?, path, &parameters);
        let model = model.map_err(|error| NativeError(format!("{}: {error}", path.display())))?;
        Ok(Self { model })
    }

    /// The tokens of `text`. `whole` adds what the model wants at both ends; `control` lets the
    /// text name control tokens such as `<|im_end|>`.
    pub(crate) fn tokenize(&self, text: &str, whole: bool, control: bool) -> Vec<Token> {
        let tokens = self.model.vocab().tokenize(text.as_bytes(), whole, control);
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// The bytes that a token stands for; none for control tokens.
    pub(crate) fn piece(&self, token: Token) -> Vec<u8> {
        self.model.vocab().token_to_piece(LlamaToken(token), false, None)
    }

    /// Whether a token ends an answer.
    pub(crate) fn is_end(&self, token: Token) -> bool {
        self.model.vocab().is_eog(LlamaToken(token))
    }

    /// The file's chat template.
    pub(crate) fn chat_template(&self) -> Option<String> {
        self.model.meta_val_str("tokenizer.chat_template").ok()
    }

    /// The texts of the tokens that begin and end a sequence, for the chat template.
    pub(crate) fn ends(&self) -> (String, String) {
        let vocab = self.model.vocab();
        let text = |token| {
            let text = vocab.text(token).map(|text| text.to_string_lossy().into_owned());
            text.unwrap_or_default()
        };
        let (bos, eos) = (vocab.bos(), vocab.eos());
        let known = |token: LlamaToken| token.0 >= 0;
        let show = |token| if known(token) { text(token) } else { String::new() };
        (show(bos), show(eos))
    }

    /// The texts of all control tokens.
    pub(crate) fn control_texts(&self) -> Vec<String> {
        let vocab = self.model.vocab();
        let is_control = |token: &LlamaToken| {
            let kinds = vocab.attr(*token);
            kinds.contains(LlamaTokenAttr::Control) || kinds.contains(LlamaTokenAttr::UserDefined)
        };
        let tokens = vocab.tokens().filter(is_control);
        let texts = tokens.filter_map(|token| vocab.text(token)?.to_str().ok().map(str::to_owned));
        texts.filter(|text| text.len() > 1).collect()
    }
}
