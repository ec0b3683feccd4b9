//! Fitting a request to the model that it goes to: by what servers of its provider are known to take,
//! and by what the model refused before. What is refused is sent once more without it; that is
//! remembered, and costs no second request until it is forgotten.

mod change;
mod lessons;
mod refusal;
mod server;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Endpoint, LlmError};
use change::{EFFORT, text};
use lessons::Lesson;
pub use lessons::Lessons;
pub use server::Server;

/// The members of a request's JSON object, as they came.
pub type Members = BTreeMap<String, Box<RawValue>>;

/// The most changes to one request that its model refuses.
const MOST: usize = 4;

/// A request that a model took.
#[derive(Debug)]
pub struct Taken {
    /// The head of the answer.
    pub response: reqwest::Response,
    /// The members that had to be left out for it.
    pub left_out: Vec<String>,
}

/// Fits requests to the models of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fitter {
    pub(crate) server: Server,
    pub(crate) lessons: Lessons,
}

impl Fitter {
    /// Changes what is known to be taken otherwise by `model`. Gives the members that have no effect.
    pub(crate) fn fit(&self, model: &str, members: &mut Members) -> Vec<String> {
        let mut left_out = Vec::new();
        for lesson in self.all_of(model) {
            if lesson.apply(members) {
                left_out.extend(self.without_effect(&lesson, members));
            }
        }
        left_out
    }

    /// What is known of `model`.
    fn all_of(&self, model: &str) -> impl Iterator<Item = Lesson> {
        let known = self.server.known().iter().map(|&change| Lesson::of(change));
        known.chain(self.lessons.of(model))
    }

    /// The members that have no effect in a request to which `lesson` was applied. Where the provider's
    /// switch is left out, so is the effort that it stands for.
    fn without_effect(&self, lesson: &Lesson, members: &Members) -> Vec<String> {
        // Of a list a part may be left.
        let left_out = lesson.change.leaves_out().filter(|name| !members.contains_key(*name));
        let is_switch = left_out.is_some() && left_out == self.server.switches().first().copied();
        let effort = (is_switch && !members.contains_key(EFFORT)).then_some(EFFORT);
        left_out.into_iter().chain(effort).map(str::to_owned).collect()
    }

    /// Posts a request that was fitted, in `sent` as JSON, and fits it once more wherever its model
    /// refuses a part of it in words that are known.
    pub(crate) async fn send(
        &self,
        endpoint: &Endpoint,
        path: &str,
        mut sent: Bytes,
        members: &mut Members,
    ) -> Result<Taken, LlmError> {
        let (mut left_out, mut learned) = (Vec::new(), Vec::new());
        loop {
            let words = match endpoint.post(path, &[], sent).await {
                Ok(response) => {
                    let model = text(members, "model").unwrap_or_default();
                    self.lessons.learn(&model, learned);
                    return Ok(Taken { response, left_out });
                }
                Err(LlmError::Rejected(words)) => words,
                Err(error) => return Err(error),
            };
            match refusal::answer(&words, members) {
                Some(lesson) if learned.len() < MOST && lesson.apply(members) => {
                    left_out.extend(self.without_effect(&lesson, members));
                    learned.push(lesson);
                    sent = bytes_of(members)?;
                }
                _ => return Err(LlmError::Rejected(words)),
            }
        }
    }

    /// The members of which `model` is known to take nothing, whatever they say.
    pub(crate) fn left_out_of(&self, model: &str) -> Vec<&'static str> {
        let general = self.all_of(model).filter(Lesson::is_general);
        general.filter_map(|lesson| lesson.change.leaves_out()).collect()
    }

    /// Those of this request.
    pub(crate) fn left_out_from(&self, model: &str, members: &Members) -> Vec<String> {
        let meant = self.all_of(model).filter(|lesson| lesson.is_for(members));
        let names = meant.filter_map(|lesson| lesson.change.leaves_out());
        let asks = |name: &&str| members.get(*name).is_some_and(|raw| raw.get() != "null");
        names.filter(asks).map(str::to_owned).collect()
    }
}

/// The members of a request.
pub(crate) fn members_of(request: &impl Serialize) -> Result<Members, LlmError> {
    let bytes = bytes_of(request)?;
    serde_json::from_slice(&bytes).map_err(|error| LlmError::Internal(Box::new(error)))
}

/// A request as JSON.
pub(crate) fn bytes_of(request: &impl Serialize) -> Result<Bytes, LlmError> {
    let bytes = serde_json::to_vec(request).map_err(|error| LlmError::Internal(Box::new(error)))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
