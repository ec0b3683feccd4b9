//! What the upstream does to a call, and what has to become of it.

/// What has to become of a call.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// Answered, with the provider's own counts.
    Counted,
    /// Answered; the provider counts nothing.
    Uncounted,
    /// Failed with this code, for nothing.
    Refused(&'static str),
    /// Failed with this code after the provider may have worked on it.
    Broken(&'static str),
}

/// One way that a call may go.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub model: &'static str,
    pub streamed: bool,
    pub outcome: Outcome,
    /// The most words of the answer that the upstream counts; `None` where it does not even count
    /// the prompt.
    words: Option<u64>,
}

const ALL: Option<u64> = Some(u64::MAX);
const CUT: Outcome = Outcome::Broken("provider_stream_broken");
const MALFORMED: Outcome = Outcome::Broken("provider_malformed");
const FAILED: Outcome = Outcome::Refused("provider_failed");
const LIMITED: Outcome = Outcome::Refused("provider_rate_limited");

const fn whole(model: &'static str, outcome: Outcome, words: Option<u64>) -> Case {
    Case { model, streamed: false, outcome, words }
}

const fn streamed(model: &'static str, outcome: Outcome, words: Option<u64>) -> Case {
    Case { model, streamed: true, outcome, words }
}

const SOUND: [Case; 2] =
    [whole("ok", Outcome::Counted, ALL), streamed("ok", Outcome::Counted, ALL)];

const FAULTS: [Case; 19] = [
    whole("slow", Outcome::Counted, ALL),
    streamed("slow", Outcome::Counted, ALL),
    whole("no-usage", Outcome::Uncounted, ALL),
    streamed("no-usage", Outcome::Uncounted, ALL),
    whole("status-500", FAILED, None),
    streamed("status-500", FAILED, None),
    whole("status-429", LIMITED, None),
    streamed("status-429", LIMITED, None),
    whole("cut", CUT, Some(0)),
    streamed("cut", CUT, Some(2)),
    whole("wrong-length", CUT, Some(0)),
    streamed("half-frame", CUT, Some(2)),
    whole("malformed", MALFORMED, Some(0)),
    streamed("malformed", MALFORMED, Some(2)),
    whole("garbage", MALFORMED, None),
    streamed("garbage", MALFORMED, None),
    whole("invalid-utf8", MALFORMED, Some(0)),
    // The byte becomes U+FFFD, as everywhere in server-sent events.
    streamed("invalid-utf8", Outcome::Counted, ALL),
    streamed("stream-error", Outcome::Broken("provider_failed"), Some(2)),
];

/// The names of all models.
pub fn models() -> Vec<&'static str> {
    let mut names: Vec<_> = SOUND.iter().chain(&FAULTS).map(|case| case.model).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Case {
    /// How the call of this number goes: every second one meets a fault.
    pub fn of(number: usize) -> &'static Self {
        match number % 2 {
            0 => &SOUND[number / 2 % SOUND.len()],
            _ => &FAULTS[number / 2 % FAULTS.len()],
        }
    }

    /// Tokens that the upstream counts for the call: of the prompt and of the answer.
    pub fn billed(&self, number: usize) -> (u64, u64) {
        self.words.map_or((0, 0), |most| (prompt_words(number), answer_words(number).min(most)))
    }
}

/// What the call of this number asks, different from all others and of different lengths.
pub fn question(number: usize) -> String {
    let words: Vec<_> = (0..prompt_words(number)).map(|k| format!("w{number}x{k}")).collect();
    words.join(" ")
}

/// Tokens of the question; the mock upstream counts words.
pub fn prompt_words(number: usize) -> u64 {
    (number % 7) as u64 + 1
}

/// Tokens of the whole answer, which is "You said: " and the question.
pub fn answer_words(number: usize) -> u64 {
    prompt_words(number) + 2
}
