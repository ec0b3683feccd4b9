//! What the turns of a conversation have in common. A provider remembers the prompts that it has read
//! and takes back the signatures of its own reasoning only, so the turns are better asked at one
//! account: the order of the targets is drawn from this instead of from each request's id.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::{FixedState, FoldHasher};
use lyceum_llm::ChatRequest;
use serde_json::Value;
use uuid::Uuid;

use super::Seed;
use crate::CallContext;

impl Seed {
    /// Of requests whose senders say by a key that they go together.
    pub(crate) fn of_key(key: &str) -> Self {
        let mut hasher = hasher();
        hasher.write(key.as_bytes());
        Self(hasher.finish())
    }

    /// Of a call that this program makes by itself, for one of its conversations.
    pub(crate) fn of_call(context: &CallContext, request: &ChatRequest) -> Option<Self> {
        let key = request.extra.get("prompt_cache_key").and_then(Value::as_str);
        let conversation = context.conversation_id;
        key.filter(|key| !key.is_empty()).map(Self::of_key).or_else(|| conversation.map(Self::from))
    }
}

/// How somebody's conversation with a model begins, which all its turns repeat.
pub(crate) struct Opening(FoldHasher<'static>);

impl Opening {
    pub(crate) fn new(user: Uuid, model: &str) -> Self {
        let mut hasher = hasher();
        hasher.write(user.as_bytes());
        hasher.write(model.as_bytes());
        Self(hasher)
    }

    /// More of what is said.
    pub(crate) fn say(&mut self, text: &str) {
        self.0.write(text.as_bytes());
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed(self.0.finish())
    }
}

/// Always begins the same, so that all nodes draw alike.
fn hasher() -> FoldHasher<'static> {
    FixedState::default().build_hasher()
}
