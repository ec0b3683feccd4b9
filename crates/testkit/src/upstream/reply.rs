use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::{State, strict};

/// Between the chunks of the model `slow`.
pub(super) const SLOW: Duration = Duration::from_millis(50);
/// Chunks before `cut`, `stall` and `stream-error` show themselves.
const BEFORE_FAULT: usize = 2;

/// The reasoning of the models `think` and `tools`.
pub(super) const REASONING: &str = "let me see ";

/// An answer, worked out before it is sent.
#[derive(Default)]
pub(super) struct Reply {
    model: String,
    /// The name under which the model serves.
    pub(super) served: String,
    words: Vec<String>,
    pub(super) finish_reason: &'static str,
    pub(super) tells_usage: bool,
    pub(super) prompt_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) reasoning_tokens: u64,
    /// Whether its reasoning can be given back, as OpenAI's responses have it.
    pub(super) sealed: bool,
}

impl Reply {
    pub(super) fn to(model: &str, dialect: Dialect, body: &Value) -> Self {
        let messages = dialect.messages(body);
        let prompt_tokens = messages.iter().map(|message| words(message)).sum();
        let last = messages.last().map(String::as_str).unwrap_or_default();
        let mut words: Vec<_> =
            format!("You said: {last}").split_inclusive(' ').map(str::to_owned).collect();
        let limit = dialect.limit(body);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let mut finish_reason = if words.len() > limit { "length" } else { "stop" };
        words.truncate(limit);
        if model == "tools" {
            (finish_reason, words) = ("tool_calls", vec![]);
        }
        if model == "withheld" {
            (finish_reason, words) = ("content_filter", vec![]);
        }
        let streamed = body["stream"].as_bool().unwrap_or(false);
        let asked = body["stream_options"]["include_usage"].as_bool().unwrap_or(false);
        let thinks = matches!(model, "think" | "tools");
        Self {
            model: model.to_owned(),
            served: if model == "think" { "think-001".to_owned() } else { model.to_owned() },
            words,
            finish_reason,
            tells_usage: model != "no-usage" && (asked || !streamed || dialect.counts_always()),
            prompt_tokens,
            cached_tokens: u64::from(model == "think" && prompt_tokens > 0),
            reasoning_tokens: if thinks { self::words(REASONING) } else { 0 },
            sealed: strict::seals(body),
        }
    }

    pub(super) fn completion_tokens(&self) -> u64 {
        self.words.len() as u64 + self.reasoning_tokens
    }

    pub(super) fn usage(&self) -> Value {
        let completion = self.completion_tokens();
        let mut usage = json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        });
        if self.cached_tokens > 0 {
            usage["prompt_tokens_details"] = json!({"cached_tokens": self.cached_tokens});
        }
        if self.reasoning_tokens > 0 {
            usage["completion_tokens_details"] = json!({"reasoning_tokens": self.reasoning_tokens});
        }
        usage
    }

    pub(super) fn document(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.words.concat()});
        if self.reasoning_tokens > 0 {
            message["reasoning_content"] = json!(REASONING);
        }
        let mut document = json!({
            "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000,
            "model": self.served,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        });
        if self.tells_usage {
            document["usage"] = self.usage();
        }
        if self.model == "no-reason" {
            document["choices"][0]["finish_reason"] = Value::Null;
        }
        document
    }

    /// All words.
    pub(super) fn text(&self) -> String {
        self.words.concat()
    }

    /// A piece of an older completion.
    pub(super) fn text_chunk(&self, text: &str, finish_reason: Option<&str>) -> Value {
        json!({
            "id": "cmpl-mock", "object": "text_completion", "created": 1_700_000_000,
            "model": self.served,
            "choices": [{"index": 0, "text": text, "logprobs": null,
                "finish_reason": finish_reason}],
        })
    }

    pub(super) fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        let finish_reason = finish_reason.filter(|_| self.model != "no-reason");
        json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": self.served,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        })
    }
}

/// The answer as a stream of the protocol, with the fault of its model.
pub(super) fn frames(
    state: Arc<State>,
    dialect: Dialect,
    reply: Reply,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::stream! {
        let mut open = state.stream_opens();
        if let Some(why) = reply.model.strip_prefix("refused") {
            open.finished = true;
            yield Ok(dialect.frame(&dialect.error_piece(why.strip_prefix('-'))));
            return;
        }
        // The Responses API numbers its events.
        let mut number = 0;
        let mut frame = |mut piece: Value| {
            if dialect == Dialect::Responses {
                piece["sequence_number"] = json!(number);
                number += 1;
            }
            dialect.frame(&piece)
        };
        for piece in dialect.opening(&reply) {
            yield Ok(frame(piece));
        }
        if dialect == Dialect::Dify {
            yield Ok(Bytes::from_static(b"event: ping\n\n"));
        }
        if reply.reasoning_tokens > 0 {
            state.count(0, reply.reasoning_tokens);
            for piece in dialect.reasoning(&reply, REASONING) {
                yield Ok(frame(piece));
            }
        }
        if !reply.words.is_empty() {
            for piece in dialect.before_words(&reply) {
                yield Ok(frame(piece));
            }
        }
        if reply.model == "second-cut" {
            let mut other = dialect.word(&reply, "Or ");
            other["choices"][0]["index"] = json!(1);
            yield Ok(frame(other));
        }
        let mut pace = pace_of(&reply.model).map(tokio::time::interval);
        for (index, word) in reply.words.iter().enumerate() {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            match reply.model.as_str() {
                "slow" => tokio::time::sleep(SLOW).await,
                "gated" => match state.gate.acquire().await {
                    Ok(permit) => permit.forget(),
                    Err(_) => return,
                },
                "cut" if index == BEFORE_FAULT => {
                    open.finished = true;
                    yield Err(std::io::Error::other("cut"));
                    return;
                }
                "stall" if index == BEFORE_FAULT => std::future::pending().await,
                "stream-error" if index == BEFORE_FAULT => {
                    open.finished = true;
                    yield Ok(dialect.frame(&dialect.error_piece(None)));
                    return;
                }
                "half-frame" if index == BEFORE_FAULT => {
                    open.finished = true;
                    yield Ok(dialect.half_frame());
                    return;
                }
                "malformed" if index == BEFORE_FAULT => {
                    open.finished = true;
                    yield Ok(dialect.malformed_frame());
                    return;
                }
                "invalid-utf8" if index == BEFORE_FAULT => {
                    open.finished = true;
                    let whole = dialect.frame(&dialect.word(&reply, "\u{fffd}"));
                    yield Ok(replaced(&whole));
                }
                _ => {}
            }
            state.count(0, 1);
            yield Ok(frame(dialect.word(&reply, word)));
        }
        if !reply.words.is_empty() {
            for piece in dialect.after_words(&reply) {
                yield Ok(frame(piece));
            }
        }
        if reply.model == "tools" {
            for piece in dialect.call(&reply) {
                yield Ok(frame(piece));
            }
        }
        for piece in dialect.closing(&reply) {
            yield Ok(frame(piece));
        }
        open.finished = true;
        if reply.model == "second-cut" {
            yield Err(std::io::Error::other("cut"));
            return;
        }
        if let Some(mark) = dialect.mark().filter(|_| reply.model != "no-done") {
            yield Ok(Bytes::from_static(mark.as_bytes()));
        }
    }
}

/// The time between two chunks of the model `paced-N`.
fn pace_of(model: &str) -> Option<Duration> {
    let milliseconds: u64 = model.strip_prefix("paced-")?.parse().ok()?;
    Some(Duration::from_millis(milliseconds.max(1)))
}

/// The same bytes with U+FFFD as a byte that is no UTF-8.
pub(super) fn replaced(bytes: &[u8]) -> Bytes {
    let mark = "\u{fffd}".as_bytes();
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap_or(0);
    [&bytes[..at], b"\xff", &bytes[at + mark.len()..]].concat().into()
}

pub(super) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

pub(super) fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// A unit vector that depends on the text alone: equal texts are equal, others are not near.
pub(super) fn embedding(text: &str, dimensions: u64) -> Vec<f32> {
    let component = |index: u64| {
        let mut hasher = DefaultHasher::new();
        (text, index).hash(&mut hasher);
        (hasher.finish() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let vector: Vec<f32> = (0..dimensions).map(component).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.into_iter().map(|x| x / length).collect()
}
