//! Conversations: messages as a tree, answers generated on the server, and streams of them that
//! can be left and taken up again.
//!
//! Invariants:
//! - A message is acknowledged only once it and the empty answer to it are committed.
//! - A generation belongs to the server, never to a request: closing a tab stops nothing.
//! - What was said stays: text is checkpointed while it grows, and no end (stop, fault, crash)
//!   takes text away.
//! - A subscriber never slows a generation down.
//! - Every query states its owner, beside row-level security.

mod configs;
mod conversations;
mod error;
mod events;
mod generation;
mod messages;
mod model;
mod retrieval;
mod words;

use std::sync::Arc;
use std::time::Duration;

use lyceum_core::Clock;
use lyceum_store::{Db, StoreError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use configs::{ConversationConfig, PutConfig};
pub use conversations::{Conversation, ConversationPage, NewConversation, UpdateConversation};
pub use error::ChatError;
pub use messages::{
    ActiveLeaf, Citation, Explanation, Message, MessageError, MessagePage, MessageRole,
    MessageStatus, Regenerated, SendMessage, Sent,
};
pub use retrieval::{Question, Retrieval, RetrievedChunk, Retriever};

use generation::Live;
use model::Gateway;

lyceum_http::rights! {
    /// Lists and reads conversations, their messages and streams.
    ConversationRead = "conversation", "read";
    /// Makes and changes conversations, and asks in them.
    ConversationWrite = "conversation", "write";
    /// Deletes conversations.
    ConversationDelete = "conversation", "delete";
}

/// What can be set about chatting.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// The name of this node, the same at every start of it and different from every other node's.
    pub node: String,
    /// How often growing text is written to its row.
    pub checkpoint_interval: Duration,
    /// How long a node may be silent before others take its answers for interrupted.
    pub lease: Duration,
    /// Answers that one person may have running at once.
    pub max_running_per_user: usize,
    /// The longest message that a person may send, in characters.
    pub max_content_chars: usize,
    /// Whether a local model writes titles, too; it takes its time from the answers.
    pub titles_by_local_model: bool,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self {
            node: "main".to_owned(),
            checkpoint_interval: Duration::from_secs(1),
            lease: Duration::from_secs(60),
            max_running_per_user: 8,
            max_content_chars: 200_000,
            titles_by_local_model: false,
        }
    }
}

/// The chat domain. Cheap to clone.
#[derive(Clone)]
pub struct Chat {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    gateway: Gateway,
    retriever: Option<Arc<dyn Retriever>>,
    clock: Clock,
    settings: ChatSettings,
    live: Live,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Chat {
    /// The domain over its parts. Without a retriever, knowledge bases cannot be attached.
    pub fn new(
        db: Db,
        gateway: Gateway,
        retriever: Option<Arc<dyn Retriever>>,
        clock: Clock,
        settings: ChatSettings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                gateway,
                retriever,
                clock,
                settings,
                live: Live::default(),
                tasks: TaskTracker::new(),
                shutdown: CancellationToken::new(),
            }),
        }
    }

    /// Call once at start, before requests come in: answers that this node left unfinished are
    /// marked as interrupted with their text kept, and those not yet begun are begun. Answers how
    /// many there were.
    pub async fn recover(&self) -> Result<u64, StoreError> {
        generation::recover(self, Some(&self.inner.settings.node)).await
    }

    /// Starts the task that does the same for nodes that fell silent.
    pub fn watch_other_nodes(&self) {
        generation::watch(self);
    }

    /// Ends all running answers, their text kept, and waits for them.
    pub async fn shutdown(&self) {
        self.inner.shutdown.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// How many answers are being generated on this node now.
    pub fn running(&self) -> usize {
        self.inner.live.len()
    }
}

/// All addresses of the domain, below `/api/v1`.
pub fn router(chat: Chat) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(
            conversations::http::list_conversations,
            conversations::http::create_conversation
        ))
        .routes(routes!(
            conversations::http::get_conversation,
            conversations::http::update_conversation,
            conversations::http::delete_conversation
        ))
        .routes(routes!(messages::http::list_messages, messages::http::send_message))
        .routes(routes!(messages::http::set_active_leaf))
        .routes(routes!(messages::http::regenerate_message))
        .routes(routes!(messages::http::stop_message))
        .routes(routes!(messages::http::explain_message))
        .routes(routes!(events::message_events))
        .routes(routes!(
            configs::http::get_conversation_config,
            configs::http::put_conversation_config
        ))
        .with_state(chat)
}
