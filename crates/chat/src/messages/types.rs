use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::RetrievedChunk;

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum MessageRole {
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The platform.
    System,
    /// A tool.
    Tool,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum MessageStatus {
    /// An answer whose model has not been asked yet.
    Pending,
    /// An answer that is being written.
    Streaming,
    /// Complete.
    Completed,
    /// Ended by the person; the text so far stays.
    Stopped,
    /// Failed; the text so far stays, `error` says why.
    Error,
}

impl MessageStatus {
    /// Whether the message is still being written.
    pub fn is_running(self) -> bool {
        matches!(self, MessageStatus::Pending | MessageStatus::Streaming)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            MessageStatus::Pending => "pending",
            MessageStatus::Streaming => "streaming",
            MessageStatus::Completed => "completed",
            MessageStatus::Stopped => "stopped",
            MessageStatus::Error => "error",
        }
    }
}

/// Why an answer failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageError {
    /// A stable name, such as `provider_rate_limited`.
    pub code: String,
    /// One sentence for a person.
    pub detail: String,
}

/// A source of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// The number that marks it in the text: `[1]`.
    pub index: u32,
    /// The passage.
    pub chunk_id: Uuid,
    /// Its document.
    pub document_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The page, counted from 1, where the document has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<i32>,
    /// The part of a long text without pages, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<i32>,
    /// Where the passage begins in the document's text, in characters.
    pub start_offset: i32,
    /// Where it ends.
    pub end_offset: i32,
    /// The beginning of the passage.
    pub snippet: String,
    /// Whether the answer rests on it; if it rests on none, the nearest passages are named anyway.
    pub cited: bool,
    /// Where its mark belongs in the answer, in characters: behind each sentence that says what the
    /// passage says. Empty where the model wrote its marks itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<u32>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Its conversation.
    pub conversation_id: Uuid,
    /// The message that it follows; absent for the first of a branch.
    pub parent_id: Option<Uuid>,
    /// Its place in the order of writing, unique in the conversation.
    pub sequence_number: i64,
    /// Who says it.
    pub role: MessageRole,
    /// The text, in Markdown.
    pub content: String,
    /// What the model thought, where it shows that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// How far it is.
    pub status: MessageStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<MessageError>,
    /// Why the model ended: `stop`, `length`, `content_filter` …; `not_found` where no model was
    /// asked, because no passage is about the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// The sources of an answer.
    pub citations: Vec<Citation>,
    /// All messages with the same parent, this one included, in the order of writing.
    pub siblings: Vec<Uuid>,
    /// The model that answered, by the provider's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Tokens of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<i64>,
    /// Tokens of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<i64>,
    /// What it cost in US dollars; absent where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// A page of a branch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    /// The messages, oldest first.
    pub items: Vec<Message>,
    /// Pass as `before` for the messages before these; absent at the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<i64>,
}

/// A message to send.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// The text.
    pub content: String,
    /// The answer that it follows; `null` for the beginning of a branch; absent for the end of the
    /// active branch. To edit a message, send the new text with the edited message's parent.
    #[serde(
        default,
        deserialize_with = "lyceum_http::present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Option<Option<Uuid>>,
    /// The model to answer, from now on in this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_config_id: Option<Uuid>,
    /// The knowledge bases to ask, from now on in this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge_base_ids: Option<Vec<Uuid>>,
}

/// A message that was sent, with the answer to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// The person's message.
    pub user_message: Message,
    /// The answer, empty yet; its text comes from `/messages/{id}/events`.
    pub assistant_message: Message,
}

/// A new answer to come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Regenerated {
    /// The answer, empty yet.
    pub assistant_message: Message,
}

/// The branch to show.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveLeaf {
    /// Any message of the branch; of several continuations the newest is followed.
    pub message_id: Uuid,
}

/// Why an answer is as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The question that was answered.
    pub question: String,
    /// What was found; absent where no knowledge base was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<ExplainedRetrieval>,
    /// What the model was sent.
    pub prompt: Vec<PromptMessage>,
    /// The model, by the provider's name.
    pub model: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// Tokens of the prompt.
    pub prompt_tokens: Option<i64>,
    /// Tokens of the answer.
    pub completion_tokens: Option<i64>,
    /// What it cost in US dollars; absent where no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// From asking the model to the end of its answer, in milliseconds.
    pub latency_ms: Option<i64>,
    /// From asking the model to its first text, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// The call in the ledger.
    pub request_id: Option<Uuid>,
}

/// What was found for a question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRetrieval {
    /// What was searched for, where it was more than the question: that together with questions
    /// before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched_for: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Every passage that was considered, best first.
    pub chunks: Vec<ExplainedChunk>,
}

/// A passage that was considered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExplainedChunk {
    /// The passage with its scores.
    #[serde(flatten)]
    pub chunk: RetrievedChunk,
    /// Its number in the prompt; absent where it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<u32>,
}

/// One message as the model was sent it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PromptMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// What is kept with an answer for its explanation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Context {
    pub question: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<ExplainedRetrieval>,
    pub prompt: Vec<PromptMessage>,
}
