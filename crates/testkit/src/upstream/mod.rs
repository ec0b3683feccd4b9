//! A provider that speaks the protocols of all providers and fails on demand.

mod dialect;
mod documents;
mod reply;
mod routes;
mod running;
mod strict;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use serde_json::Value;
use tokio::sync::Semaphore;

use running::Running;

/// A server on a port of 127.0.0.1 that speaks OpenAI's chat completions, older completions,
/// embeddings and responses below `/v1`, Anthropic's messages below `/v1`, Gemini's API below `/v1beta`, Ollama's below `/api`
/// and a Dify application's below `/v1` (its input `model` stands for the model's name). The **model
/// name** chooses how it behaves:
///
/// | model | behaviour |
/// |---|---|
/// | `ok`, and any other name | answers "You said: " and the last message, a word a chunk |
/// | `slow` | the same with 50 ms before each chunk, or before the whole (OpenAI only) |
/// | `paced-N` | the same with N ms between the chunks, by a clock that never falls behind |
/// | `gated` | each chunk waits for [`MockUpstream::release`] |
/// | `gated-N` | embeddings of N dimensions, each answer waits for the same |
/// | `status-NNN` | that HTTP status with an error document; 429 and 503 with `Retry-After: 1` |
/// | `flaky-N` | the first N calls fail with status 500, the others answer |
/// | `limited-N` | the same with status 429 |
/// | `context-length` | refuses the prompt as too long (in OpenAI's words) |
/// | `content-policy` | refuses the prompt for what it says (in OpenAI's words) |
/// | `withheld` | answers nothing but `content_filter` as the reason to end |
/// | `cut` | the connection breaks after two chunks, or within the body |
/// | `garbage` | text that is no JSON, with status 200 |
/// | `half-frame` | the stream ends within a frame, without `[DONE]` |
/// | `no-usage` | answers without token counts |
/// | `no-done` | the stream ends after the last chunk, without `[DONE]` |
/// | `no-reason` | ends without saying why (OpenAI's chat only) |
/// | `second-cut` | two answers at once; the first ends, the connection breaks within the second (OpenAI's stream only) |
/// | `stream-error` | an error document as the third frame of the stream |
/// | `refused` | an error document as the first frame of the stream |
/// | `refused-NAME` | the same, which says why by that name or number alone (OpenAI's and Anthropic's) |
/// | `hang` | takes the request and never answers |
/// | `stall` | two chunks, then silence |
/// | `malformed` | the third chunk is no JSON; in one piece (OpenAI only), the document is cut short |
/// | `invalid-utf8` | a chunk after the second has a byte that is no UTF-8; so has the document (OpenAI only) |
/// | `wrong-length` | the body is shorter than announced (not streamed, OpenAI only) |
/// | `chat-only` | has no older completions |
/// | `stream-only` | refuses to answer in one piece (OpenAI only) |
/// | `strict` | refuses `developer`, `max_tokens`, `temperature` and `reasoning_content`, one at a time (OpenAI's chat), and sealed reasoning (OpenAI's responses) |
/// | `think` | reasons before it answers, serves as `think-001`, has one token cached |
/// | `tools` | reasons, then calls the tool `look_up` in pieces |
///
/// Tokens are words: those of all messages together, and those answered. `max_tokens` cuts the
/// answer. As with OpenAI, a stream tells its usage only when asked by `stream_options`; by the Responses
/// API reasoning is sealed only when asked by `include`, and not found again where it is not sealed and
/// `store` is false.
pub struct MockUpstream {
    /// Such as `http://127.0.0.1:40123/v1`.
    pub base_url: String,
    /// The same without a path.
    pub origin: String,
    state: Arc<State>,
    running: Running,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Such as `/v1/chat/completions`.
    pub path: String,
    /// The key in `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`.
    pub key: Option<String>,
    /// The trace that it says it belongs to.
    pub traceparent: Option<String>,
    /// All of its headers.
    pub headers: HeaderMap,
    /// The JSON body; null for GET.
    pub body: Value,
}

#[derive(Default)]
struct Counts {
    prompt_tokens: u64,
    completion_tokens: u64,
    calls: BTreeMap<String, u64>,
}

struct State {
    counts: Mutex<Counts>,
    requests: Mutex<Vec<RecordedRequest>>,
    gate: Semaphore,
    open_streams: AtomicU64,
    abandoned: AtomicU64,
    accepted_key: Option<String>,
    keeps_requests: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MockUpstream {
    /// Starts one that accepts every key.
    pub async fn start() -> Self {
        Self::start_with(None, true, Running::here)
    }

    /// Starts one that accepts only `key` and answers 401 to others.
    pub async fn with_key(key: &str) -> Self {
        Self::start_with(Some(key.to_owned()), true, Running::here)
    }

    /// Starts one for benchmarks: on a thread of its own, so that it and its callers do not wait for
    /// each other, and without keeping the requests, which would fill the memory.
    pub fn start_apart() -> Self {
        Self::start_with(None, false, Running::apart)
    }

    fn start_with(
        accepted_key: Option<String>,
        keeps_requests: bool,
        run: fn(std::net::TcpListener, Router) -> Running,
    ) -> Self {
        let state = Arc::new(State {
            counts: Mutex::default(),
            requests: Mutex::default(),
            gate: Semaphore::new(0),
            open_streams: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            accepted_key,
            keeps_requests,
        });
        let bound = std::net::TcpListener::bind("127.0.0.1:0");
        let Ok((listener, address)) = bound.and_then(|l| l.local_addr().map(|a| (l, a))) else {
            panic!("no port of 127.0.0.1 is free");
        };
        let running = run(listener, routes::router(Arc::clone(&state)));
        let origin = format!("http://{address}");
        Self { base_url: format!("{origin}/v1"), origin, state, running }
    }

    /// CPU time of the thread of one that was started apart; nothing for others.
    pub fn cpu_time(&self) -> Duration {
        self.running.cpu_time()
    }

    /// Calls with an accepted key so far, whatever came of them.
    pub fn calls(&self) -> u64 {
        locked(&self.state.counts).calls.values().sum()
    }

    /// The same for one model.
    pub fn calls_of(&self, model: &str) -> u64 {
        locked(&self.state.counts).calls.get(model).copied().unwrap_or(0)
    }

    /// Prompt and completion tokens of all calls so far: what a provider would bill.
    pub fn tokens(&self) -> (u64, u64) {
        let counts = locked(&self.state.counts);
        (counts.prompt_tokens, counts.completion_tokens)
    }

    /// Everything that was asked, in order; nothing of one that was started apart.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        locked(&self.state.requests).clone()
    }

    /// Lets `chunks` more chunks of the model `gated` pass, or answers of `gated-N`.
    pub fn release(&self, chunks: usize) {
        self.state.gate.add_permits(chunks);
    }

    /// Streams that are being sent.
    pub fn open_streams(&self) -> u64 {
        self.state.open_streams.load(Ordering::SeqCst)
    }

    /// Streams whose reader went away before their end.
    pub fn abandoned(&self) -> u64 {
        self.state.abandoned.load(Ordering::SeqCst)
    }

    /// Waits until `condition` holds; for what has no event of its own.
    ///
    /// # Panics
    /// Where it does not hold within 20 seconds.
    pub async fn wait_for(&self, condition: impl Fn(&Self) -> bool) {
        for _ in 0..2000 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the condition did not come to hold within 20 seconds");
    }
}
