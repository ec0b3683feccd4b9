//! The forms in which programs ask and are answered: the server's side of the protocols whose
//! client's side stands beside. Each form makes a [`ChatRequest`](crate::ChatRequest) of a request,
//! and of the events of an answer its stream or its document. Knows nothing of HTTP.

mod answer;
mod carry;
pub mod chat;
pub mod completions;
mod fault;
pub mod messages;
mod read;
pub mod responses;

use serde_json::Value;

pub use answer::{Answer, Part};
pub use carry::MARK;
pub use fault::Fault;
pub use read::BadRequest;

use crate::ChatEvent;

/// Puts one answer into the form of a surface.
pub trait Writer: Send + 'static {
    /// The provider's own id and model stand for ours from now on, as its bytes are passed on.
    fn adopt(&mut self, id: &str, model: &str);

    /// What an event becomes in a stream; mostly one server-sent event, sometimes none or several.
    fn write(&mut self, event: ChatEvent) -> String;

    /// The last event of a stream that fails.
    fn fail(&mut self, fault: &Fault<'_>) -> String;

    /// The whole answer in one piece.
    fn document(&mut self, answer: Answer) -> Value;
}

/// What is the same in every piece of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// Of the request, without dashes; ids of answers and their parts are made from it.
    pub seed: String,
    /// Seconds since 1970.
    pub created: i64,
    /// The model asked for, until the provider names the one that serves.
    pub model: String,
}

impl Head {
    /// The provider named the model that serves.
    fn served_by(&mut self, model: String) {
        if !model.is_empty() {
            self.model = model;
        }
    }
}
