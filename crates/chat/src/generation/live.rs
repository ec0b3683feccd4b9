use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::buffer::{Buffer, Cursor, Event, Kind};

/// Why a generation was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The person stopped it.
    Stopped,
    /// Its message is gone.
    Deleted,
    /// The program shuts down.
    Shutdown,
}

/// A generation that runs on this node.
pub(crate) struct Generation {
    pub message_id: Uuid,
    conversation_id: Uuid,
    user_id: Uuid,
    buffer: Mutex<Buffer>,
    /// Counts changes; subscribers read when it moves. `true` once the message's row is final.
    changed: watch::Sender<bool>,
    end: OnceLock<End>,
    cancel: CancellationToken,
}

impl Generation {
    pub fn say(&self, kind: Kind, text: &str) {
        self.buffer().say(kind, text);
        self.changed.send_modify(|_| ());
    }

    pub fn notice(&self, name: &'static str, data: Value) {
        self.buffer().notice(name, data);
        self.changed.send_modify(|_| ());
    }

    /// Answer and reasoning so far.
    pub fn text(&self) -> (String, String) {
        let buffer = self.buffer();
        (buffer.answer().to_owned(), buffer.reasoning().to_owned())
    }

    /// Bytes said so far.
    pub fn len(&self) -> usize {
        let buffer = self.buffer();
        buffer.answer().len() + buffer.reasoning().len()
    }

    /// Whether more was said than is kept.
    pub fn is_full(&self) -> bool {
        self.buffer().is_full()
    }

    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.changed.subscribe()
    }

    pub fn cursor_at(&self, position: u64) -> Cursor {
        self.buffer().cursor_at(position)
    }

    pub fn next(&self, cursor: &mut Cursor) -> Option<Event> {
        self.buffer().next(cursor)
    }

    /// Ends it; the first reason given counts.
    pub fn end(&self, reason: End) {
        let _ = self.end.set(reason);
        self.cancel.cancel();
    }

    /// Waits until it is ended from outside.
    pub async fn ended(&self) -> End {
        self.cancel.cancelled().await;
        self.end.get().copied().unwrap_or(End::Shutdown)
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// All generations of this node.
#[derive(Default)]
pub(crate) struct Live {
    generations: Mutex<HashMap<Uuid, Arc<Generation>>>,
}

impl Live {
    pub fn insert(
        &self,
        message_id: Uuid,
        conversation_id: Uuid,
        user_id: Uuid,
    ) -> Arc<Generation> {
        let generation = Arc::new(Generation {
            message_id,
            conversation_id,
            user_id,
            buffer: Mutex::default(),
            changed: watch::Sender::new(false),
            end: OnceLock::new(),
            cancel: CancellationToken::new(),
        });
        self.map().insert(message_id, generation.clone());
        generation
    }

    pub fn get(&self, message_id: Uuid) -> Option<Arc<Generation>> {
        self.map().get(&message_id).cloned()
    }

    /// Takes a generation whose row is final off the list and wakes its subscribers.
    pub fn remove(&self, generation: &Generation) {
        self.map().remove(&generation.message_id);
        generation.changed.send_replace(true);
    }

    pub fn len(&self) -> usize {
        self.map().len()
    }

    pub fn ids(&self) -> Vec<Uuid> {
        self.map().keys().copied().collect()
    }

    pub fn of_user(&self, user: Uuid) -> usize {
        self.map().values().filter(|generation| generation.user_id == user).count()
    }

    pub fn end_conversation(&self, conversation: Uuid) {
        for generation in self.map().values() {
            if generation.conversation_id == conversation {
                generation.end(End::Deleted);
            }
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Generation>>> {
        self.generations.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
