use super::change::{Change, NEWER, OLDER, Switch};

/// Whose servers they are: each provider deviates from what OpenAI documents in ways of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Server {
    /// OpenAI's own, which are strict.
    OpenAi,
    /// DeepSeek's.
    DeepSeek,
    /// Alibaba's Model Studio in its compatible mode.
    Qwen,
    /// Volcengine Ark.
    Doubao,
    /// iFlytek's.
    Spark,
    /// An Ollama below `/v1`.
    Ollama,
    /// Anybody's: what it takes shows when it refuses something.
    #[default]
    Other,
}

impl Server {
    /// That of a provider by its name.
    pub fn of(provider: &str) -> Self {
        match provider {
            "openai" => Self::OpenAi,
            "deepseek" => Self::DeepSeek,
            "qwen" => Self::Qwen,
            "doubao" => Self::Doubao,
            "spark" => Self::Spark,
            "ollama" => Self::Ollama,
            _ => Self::Other,
        }
    }

    /// The members by which its models are told whether to think, instead of `reasoning_effort`.
    pub fn switches(self) -> &'static [&'static str] {
        match self {
            Self::Qwen => &["enable_thinking", "thinking_budget"],
            Self::DeepSeek | Self::Doubao => &["thinking"],
            _ => &[],
        }
    }

    /// What all of its models are known to take otherwise.
    pub(super) fn known(self) -> &'static [Change] {
        match self {
            Self::OpenAi => &[
                Change::Rename(OLDER, NEWER),
                Change::LeaveOut("top_k"),
                Change::LeaveOutOfMessages("extra_content"),
                Change::LeaveOutOfMessages("reasoning_content"),
            ],
            Self::DeepSeek => {
                &[Change::NoDeveloper, Change::Rename(NEWER, OLDER), Change::Think(Switch::Type)]
            }
            Self::Qwen => {
                &[Change::NoDeveloper, Change::Rename(NEWER, OLDER), Change::Think(Switch::Flag)]
            }
            Self::Doubao => &[Change::NoDeveloper, Change::Think(Switch::Type)],
            Self::Spark => &[Change::NoDeveloper, Change::Rename(NEWER, OLDER), Change::ListCalls],
            Self::Ollama => &[Change::NoDeveloper, Change::Rename(NEWER, OLDER)],
            Self::Other => &[],
        }
    }
}
