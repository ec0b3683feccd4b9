use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};

use super::State;

/// Between the chunks of the model `slow`.
const SLOW: Duration = Duration::from_millis(50);
/// Chunks before `cut`, `stall` and `stream-error` show themselves.
const BEFORE_FAULT: usize = 2;

/// An answer, worked out before it is sent.
pub(super) struct Reply {
    model: String,
    words: Vec<String>,
    finish_reason: &'static str,
    tells_usage: bool,
    pub(super) prompt_tokens: u64,
}

impl Reply {
    pub(super) fn to(model: &str, body: &Value) -> Self {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let prompt_tokens = messages.iter().map(|message| words(&text_of(message))).sum();
        let last = messages.last().map(text_of).unwrap_or_default();
        let mut words: Vec<_> =
            format!("You said: {last}").split_inclusive(' ').map(str::to_owned).collect();
        let limit = body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64());
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let finish_reason = if words.len() > limit { "length" } else { "stop" };
        words.truncate(limit);
        let streamed = body["stream"].as_bool().unwrap_or(false);
        let asked = body["stream_options"]["include_usage"].as_bool().unwrap_or(false);
        let tells_usage = model != "no-usage" && (asked || !streamed);
        Self { model: model.to_owned(), words, finish_reason, tells_usage, prompt_tokens }
    }

    pub(super) fn completion_tokens(&self) -> u64 {
        self.words.len() as u64
    }

    fn usage(&self) -> Value {
        let completion = self.completion_tokens();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens + completion,
        })
    }

    pub(super) fn document(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.words.concat()});
        let mut document = json!({
            "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_700_000_000,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason}],
        });
        if self.tells_usage {
            document["usage"] = self.usage();
        }
        document
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Value {
        json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        })
    }
}

/// The answer as server-sent events, with the fault of its model.
pub(super) fn frames(
    state: Arc<State>,
    reply: Reply,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::stream! {
        let mut open = state.stream_opens();
        yield Ok(frame(&reply.chunk(&json!({"role": "assistant", "content": ""}), None)));
        for (index, word) in reply.words.iter().enumerate() {
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
                    yield Ok(frame(&json!({"error": {"message": "overloaded", "code": 503}})));
                    return;
                }
                "half-frame" if index == BEFORE_FAULT => {
                    open.finished = true;
                    yield Ok(Bytes::from_static(b"data: {\"id\": \"chatcmpl-mock\", \"choi"));
                    return;
                }
                _ => {}
            }
            state.count(0, 1);
            yield Ok(frame(&reply.chunk(&json!({"content": word}), None)));
        }
        yield Ok(frame(&reply.chunk(&json!({}), Some(reply.finish_reason))));
        if reply.tells_usage {
            let mut last = reply.chunk(&json!({}), None);
            last["choices"] = json!([]);
            last["usage"] = reply.usage();
            yield Ok(frame(&last));
        }
        open.finished = true;
        if reply.model != "no-done" {
            yield Ok(Bytes::from_static(b"data: [DONE]\n\n"));
        }
    }
}

fn frame(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

pub(super) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn text_of(message: &Value) -> String {
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
