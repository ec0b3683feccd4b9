use lyceum_core::{ErrorKind, Problem};
use lyceum_store::{StoreError, constraint};

/// Why something in a conversation cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// No such object, or not the caller's.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The model config named does not exist.
    #[error("there is no such model")]
    UnknownModel,
    /// The message is blank.
    #[error("the message is empty")]
    EmptyContent,
    /// The message is longer than allowed.
    #[error("the message has {length} characters, {limit} are allowed")]
    ContentTooLong {
        /// Its length in characters.
        length: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The text holds the character NUL, which cannot be stored.
    #[error("the text holds the character U+0000")]
    NulCharacter,
    /// The title is blank or longer than 200 characters.
    #[error("the title is empty or too long")]
    InvalidTitle,
    /// More knowledge bases than a conversation may have.
    #[error("more than 20 knowledge bases")]
    TooManyKnowledgeBases,
    /// Knowledge bases are attached, but this installation cannot search any.
    #[error("knowledge bases are not available")]
    NoRetriever,
    /// A question can only follow an answer.
    #[error("the parent is not an answer")]
    InvalidParent,
    /// The branch already has an answer being written.
    #[error("an answer is being written in this branch")]
    AnswerInProgress,
    /// The person has too many answers running.
    #[error("{0} answers are already running")]
    TooManyRunning(usize),
    /// Only an assistant's message can do this.
    #[error("the message is not an answer")]
    NotAnAnswer,
    /// The answer has not come as far as its prompt.
    #[error("the answer is not explained yet")]
    NotExplainedYet,
    /// `before` is not a sequence number of the conversation.
    #[error("no message has the sequence number {0}")]
    UnknownSequence(i64),
    /// A config key of another form.
    #[error("the key is not one")]
    InvalidConfigKey,
    /// A config value larger than allowed, or of the wrong type for its key.
    #[error("{0}")]
    InvalidConfigValue(&'static str),
    /// The header `Idempotency-Key` is empty, too long or not text.
    #[error("the idempotency key is not usable")]
    InvalidIdempotencyKey,
    /// The header `Last-Event-ID` is not a number.
    #[error("the event id is not a number")]
    InvalidEventId,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ChatError {
    fn from(error: sqlx::Error) -> Self {
        match constraint(&error) {
            Some("conversations_model_config_id_fkey") => ChatError::UnknownModel,
            Some("conversation_configs_key_check") => ChatError::InvalidConfigKey,
            Some("conversation_configs_value_check") => {
                ChatError::InvalidConfigValue("The value is larger than 64 KiB.")
            }
            _ => ChatError::Store(StoreError(error)),
        }
    }
}

impl Problem for ChatError {
    fn kind(&self) -> ErrorKind {
        match self {
            ChatError::NotFound(_) | ChatError::UnknownModel => ErrorKind::NotFound,
            ChatError::ContentTooLong { .. }
            | ChatError::EmptyContent
            | ChatError::NulCharacter
            | ChatError::InvalidTitle
            | ChatError::TooManyKnowledgeBases
            | ChatError::InvalidParent
            | ChatError::NotAnAnswer
            | ChatError::UnknownSequence(_)
            | ChatError::InvalidConfigKey
            | ChatError::InvalidConfigValue(_) => ErrorKind::Invalid,
            ChatError::InvalidIdempotencyKey | ChatError::InvalidEventId => ErrorKind::BadRequest,
            ChatError::AnswerInProgress | ChatError::NotExplainedYet => ErrorKind::Conflict,
            ChatError::TooManyRunning(_) => ErrorKind::TooManyRequests,
            ChatError::NoRetriever => ErrorKind::Unavailable,
            ChatError::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ChatError::NotFound(_) | ChatError::UnknownModel => "not_found",
            ChatError::EmptyContent => "empty_content",
            ChatError::ContentTooLong { .. } => "content_too_long",
            ChatError::NulCharacter => "nul_character",
            ChatError::InvalidTitle => "invalid_title",
            ChatError::TooManyKnowledgeBases => "too_many_knowledge_bases",
            ChatError::NoRetriever => "knowledge_unavailable",
            ChatError::InvalidParent => "invalid_parent",
            ChatError::AnswerInProgress => "answer_in_progress",
            ChatError::TooManyRunning(_) => "too_many_running_answers",
            ChatError::NotAnAnswer => "not_an_answer",
            ChatError::NotExplainedYet => "not_explained_yet",
            ChatError::UnknownSequence(_) => "unknown_sequence_number",
            ChatError::InvalidConfigKey => "invalid_config_key",
            ChatError::InvalidConfigValue(_) => "invalid_config_value",
            ChatError::InvalidIdempotencyKey => "invalid_idempotency_key",
            ChatError::InvalidEventId => "invalid_event_id",
            ChatError::Store(error) => error.code(),
        }
    }

    fn detail(&self) -> String {
        match self {
            ChatError::NotFound(what) => format!("There is no such {what}."),
            ChatError::UnknownModel => "There is no such model.".to_owned(),
            ChatError::EmptyContent => "Write something first; the message is empty.".to_owned(),
            ChatError::ContentTooLong { length, limit } => format!(
                "The message has {length} characters, but at most {limit} are allowed; put long \
                 texts into a knowledge base."
            ),
            ChatError::NulCharacter => {
                "The text holds the character U+0000, which cannot be stored.".to_owned()
            }
            ChatError::InvalidTitle => "A title has 1 to 200 characters.".to_owned(),
            ChatError::TooManyKnowledgeBases => {
                "A conversation can have at most 20 knowledge bases.".to_owned()
            }
            ChatError::NoRetriever => {
                "Knowledge bases cannot be searched on this installation.".to_owned()
            }
            ChatError::InvalidParent => {
                "A message can only follow an answer; name an answer as its parent.".to_owned()
            }
            ChatError::AnswerInProgress => {
                "An answer is still being written here; wait for it or stop it.".to_owned()
            }
            ChatError::TooManyRunning(limit) => {
                format!("You have {limit} answers running; wait for one or stop one.")
            }
            ChatError::NotAnAnswer => "Only an answer can do this.".to_owned(),
            ChatError::NotExplainedYet => {
                "The model has not been asked yet, so there is nothing to explain.".to_owned()
            }
            ChatError::UnknownSequence(number) => {
                format!("No message of this conversation has the sequence number {number}.")
            }
            ChatError::InvalidConfigKey => {
                "A key has 1 to 64 characters of a-z, 0-9, _ and ., beginning with a letter."
                    .to_owned()
            }
            ChatError::InvalidConfigValue(detail) => (*detail).to_owned(),
            ChatError::InvalidIdempotencyKey => {
                "Idempotency-Key has 1 to 200 printable ASCII characters.".to_owned()
            }
            ChatError::InvalidEventId => "Last-Event-ID is a whole number.".to_owned(),
            ChatError::Store(error) => error.detail(),
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            ChatError::TooManyRunning(_) | ChatError::AnswerInProgress => {
                Some(std::time::Duration::from_secs(2))
            }
            _ => None,
        }
    }
}
