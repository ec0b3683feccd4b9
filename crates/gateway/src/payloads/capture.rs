use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::{LogPayloads, MARGIN, MOST_KEPT, Payloads};
use crate::ModelConfig;

/// What one call leaves, while it runs.
pub(crate) struct Capture {
    payloads: Payloads,
    only_errors: bool,
    request: Bytes,
    answer: Text,
    reasoning: Text,
}

/// A text of which only the beginning is kept.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) kept: String,
    /// Bytes of the whole.
    pub(super) bytes: usize,
}

/// What a call left.
pub(super) struct Finished {
    /// The call's id in the ledger.
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) request: Bytes,
    pub(super) answer: Text,
    pub(super) reasoning: Text,
    pub(super) error: Option<String>,
    /// Its share of what may wait; given back when it is written.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Capture {
    /// For a call to a model that wants its payloads kept; `None` for all others.
    pub(crate) fn of(payloads: &Payloads, model: &ModelConfig) -> Option<Box<Self>> {
        (model.log_payloads != LogPayloads::Off).then(|| {
            Box::new(Self {
                payloads: payloads.clone(),
                only_errors: model.log_payloads == LogPayloads::Errors,
                request: Bytes::new(),
                answer: Text::default(),
                reasoning: Text::default(),
            })
        })
    }

    /// The body that is sent.
    pub(crate) fn request(&mut self, body: Bytes) {
        self.request = body;
    }

    /// More of the answer came.
    pub(crate) fn answer(&mut self, text: &str) {
        self.answer.push(text);
    }

    /// More reasoning came.
    pub(crate) fn reasoning(&mut self, text: &str) {
        self.reasoning.push(text);
    }

    /// The call is over; `error` says in words why it failed.
    pub(crate) fn finish(self, id: Uuid, user_id: Uuid, error: Option<String>) {
        if self.only_errors && error.is_none() {
            return;
        }
        let Self { payloads, request, answer, reasoning, .. } = self;
        let room = None;
        payloads.offer(Box::new(Finished { id, user_id, request, answer, reasoning, error, room }));
    }
}

impl Text {
    fn push(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len());
        let room = (MOST_KEPT + MARGIN).saturating_sub(self.kept.len());
        self.kept.push_str(&text[..text.floor_char_boundary(room)]);
    }
}

impl Finished {
    /// The memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.answer.kept.len() + self.reasoning.kept.len();
        self.request.len() + texts + self.error.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_long_text_is_kept() {
        let mut text = Text::default();
        for _ in 0..MOST_KEPT {
            text.push("汉字");
        }
        assert_eq!(text.bytes, MOST_KEPT * 6);
        assert!(text.kept.len() <= MOST_KEPT + MARGIN && text.kept.len() > MOST_KEPT);
        assert!(text.kept.starts_with("汉字汉字"));
    }
}
