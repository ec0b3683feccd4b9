use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::Members;
use super::change::Change;

/// How long a refusal is remembered: a model may take more after an update of its server.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// Models of which something is remembered; a new one beyond them makes all be forgotten.
const MOST: usize = 10_000;
/// Lessons of one model, of which those that hold for one value can be as many as there are values.
const MOST_OF_ONE: usize = 32;
/// Bytes of a value that is remembered.
const LONGEST: usize = 64;

/// A member and its value, as JSON.
pub(super) type Stated = (&'static str, String);

/// A change that a refusal taught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    pub(super) change: Change,
    /// What a request has to say for it: without any of these there is nothing to change.
    pub(super) when: Vec<Stated>,
    /// Whether it holds for other requests as well.
    pub(super) lasts: bool,
}

impl Lesson {
    /// One that holds whatever is asked.
    pub(super) fn of(change: Change) -> Self {
        Self { change, when: Vec::new(), lasts: true }
    }

    /// Whether it holds for every request.
    pub(super) fn is_general(&self) -> bool {
        self.when.is_empty()
    }

    /// Whether it holds for this request.
    pub(super) fn is_for(&self, members: &Members) -> bool {
        self.when
            .iter()
            .all(|(name, value)| members.get(*name).is_some_and(|raw| raw.get() == value))
    }

    /// Whether it changed anything.
    pub(super) fn apply(&self, members: &mut Members) -> bool {
        self.is_for(members) && self.change.apply(members)
    }
}

/// What models refused, of all servers of a process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Lessons {
    /// The server that is meant.
    place: Arc<str>,
    learned: Arc<RwLock<Learned>>,
}

/// By server and model.
type Learned = HashMap<(Arc<str>, String), (Instant, Vec<Lesson>)>;

impl Default for Lessons {
    fn default() -> Self {
        Self { place: "".into(), learned: Arc::default() }
    }
}

impl Lessons {
    /// The same of the server at `place`.
    pub fn at(&self, place: &str) -> Self {
        Self { place: place.into(), learned: self.learned.clone() }
    }

    fn key(&self, model: &str) -> (Arc<str>, String) {
        (self.place.clone(), model.to_owned())
    }

    /// What `model` taught.
    pub(super) fn of(&self, model: &str) -> Vec<Lesson> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        if learned.is_empty() {
            return Vec::new();
        }
        let key = self.key(model);
        let found = learned.get(&key);
        let young = found.filter(|(since, _)| since.elapsed() < LIFE);
        young.map(|(_, lessons)| lessons.clone()).unwrap_or_default()
    }

    pub(super) fn learn(&self, model: &str, lessons: Vec<Lesson>) {
        let is_short = |(_, value): &Stated| value.len() <= LONGEST;
        let lasts = |lesson: &Lesson| lesson.lasts && lesson.when.iter().all(is_short);
        let lasting: Vec<Lesson> = lessons.into_iter().filter(lasts).collect();
        if lasting.is_empty() {
            return;
        }
        let key = self.key(model);
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.len() >= MOST {
            learned.clear();
        }
        let (since, known) = learned.entry(key).or_insert_with(|| (Instant::now(), Vec::new()));
        if since.elapsed() >= LIFE {
            (*since, *known) = (Instant::now(), Vec::new());
        }
        for lesson in lasting {
            if known.len() < MOST_OF_ONE && !known.contains(&lesson) {
                known.push(lesson);
            }
        }
    }
}
