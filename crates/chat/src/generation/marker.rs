use std::sync::Arc;

use serde_json::json;

use super::citations;
use super::claims::Grounds;
use super::live::Generation;
use super::run::Progress;
use super::sentences::whole_sentences;
use crate::RetrievedChunk;

/// An answer longer than this is marked only once it is complete.
const MARKED_BYTES: usize = 16 * 1024;

/// Tells subscribers, while an answer grows, on which sources its sentences rest.
pub(crate) struct Marker {
    sources: Arc<[RetrievedChunk]>,
    grounds: Arc<Grounds>,
    marks: usize,
    /// Bytes of the whole sentences that were looked at.
    seen: usize,
}

impl Marker {
    pub fn new(progress: &Progress) -> Self {
        let (sources, grounds) = (Arc::clone(&progress.sources), Arc::clone(&progress.grounds));
        Self { sources, grounds, marks: 0, seen: 0 }
    }

    /// Looks at the answer again where `text`, said last, may have ended a sentence.
    pub fn follow(&mut self, generation: &Generation, text: &str) {
        let may_end = |c: char| c.is_whitespace() || matches!(c, '。' | '！' | '？' | '；');
        if self.sources.is_empty() || !text.contains(may_end) || generation.len() > MARKED_BYTES {
            return;
        }
        let answer = generation.text().0;
        let whole = whole_sentences(&answer).len();
        if whole == self.seen {
            return;
        }
        self.seen = whole;
        let found = citations::so_far(&answer, &self.sources, &self.grounds);
        let marks = found.iter().map(|citation| citation.marks.len()).sum();
        if marks != self.marks {
            self.marks = marks;
            generation.notice("citations", json!({ "items": found }));
        }
    }
}
