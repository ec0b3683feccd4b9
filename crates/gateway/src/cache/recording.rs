use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lyceum_llm::{FinishReason, Usage};
use serde::{Deserialize, Serialize};

/// What the ledger says of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) usage: Usage,
    /// Whether the tokens are our estimate.
    pub(crate) estimated: bool,
    pub(crate) served_model: Option<String>,
}

/// What a call's meter notes of its answer for those who keep it. Only of an answer that is whole
/// and in the ledger there is anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    spoilt: bool,
    told: Option<Told>,
    recorded: bool,
}

impl Recording {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the answer ended: one that somebody withheld a part of is not kept, nor one that ended in
    /// a way that nobody here knows.
    pub(crate) fn finished(&self, reason: &FinishReason) {
        if matches!(reason, FinishReason::ContentFilter | FinishReason::Other(_)) {
            self.lock().spoilt = true;
        }
    }

    /// Nobody said why the answer ended, or a part of it, so it may not be whole.
    pub(crate) fn unfinished(&self) {
        self.lock().spoilt = true;
    }

    /// What the ledger is about to say of it.
    pub(crate) fn tell(&self, told: Told) {
        self.lock().told = Some(told);
    }

    /// The answer is whole, and in the ledger.
    pub(crate) fn recorded(&self) {
        self.lock().recorded = true;
    }

    /// What the ledger says, if the answer may be kept.
    pub(super) fn outcome(&self) -> Option<Told> {
        let mut state = self.lock();
        let told = state.told.take();
        told.filter(|_| state.recorded && !state.spoilt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told { usage: Usage::default(), estimated: false, served_model: None }
    }

    #[test]
    fn only_what_is_whole_and_recorded_may_be_kept() {
        let recording = Recording::default();
        assert_eq!(recording.outcome(), None);
        recording.tell(told());
        assert_eq!(recording.outcome(), None, "not in the ledger");
        for (reason, may) in [
            (FinishReason::Stop, true),
            (FinishReason::Length, true),
            (FinishReason::ToolCalls, true),
            (FinishReason::ContentFilter, false),
            (FinishReason::Other("pause_turn".to_owned()), false),
        ] {
            let recording = Recording::default();
            recording.finished(&reason);
            recording.tell(told());
            recording.recorded();
            assert_eq!(recording.outcome().is_some(), may, "{reason:?}");
        }
        let recording = Recording::default();
        recording.finished(&FinishReason::Stop);
        recording.unfinished();
        recording.tell(told());
        recording.recorded();
        assert_eq!(recording.outcome(), None, "one of several goes on");
    }
}
