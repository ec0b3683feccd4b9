//! The other protocols that the upstream speaks: what is asked in them, and how an answer looks.

use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::documents::{added, blocks, done, output, place, response, stop_reason, with};
use super::reply::{Reply, text_of};

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's older completions.
    Completions,
    /// OpenAI's Responses API.
    Responses,
    Anthropic,
    Gemini,
    Ollama,
    Dify,
}

/// The text of any value that carries some: a string, a part, or a list of them.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().map(texts).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
        }
        Value::Object(_) => texts(&value["text"]),
        _ => String::new(),
    }
}

impl Dialect {
    /// The texts of the messages of a request, oldest first.
    pub(super) fn messages(self, body: &Value) -> Vec<String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match self {
            Dialect::Chat | Dialect::Ollama => {
                list(&body["messages"]).iter().map(text_of).collect()
            }
            Dialect::Anthropic => {
                let turns = list(&body["messages"]).into_iter().map(|turn| texts(&turn["content"]));
                let system = body.get("system").map(texts);
                system.into_iter().chain(turns).collect()
            }
            Dialect::Gemini => {
                let turns = list(&body["contents"]).into_iter().map(|turn| texts(&turn["parts"]));
                let system = body.get("systemInstruction").map(|system| texts(&system["parts"]));
                system.into_iter().chain(turns).collect()
            }
            Dialect::Responses if body["input"].is_string() => vec![texts(&body["input"])],
            Dialect::Responses => {
                list(&body["input"]).into_iter().map(|item| texts(&item["content"])).collect()
            }
            Dialect::Dify => vec![texts(&body["query"])],
            Dialect::Completions => vec![texts(&body["prompt"])],
        }
    }

    /// The most tokens of an answer.
    pub(super) fn limit(self, body: &Value) -> Option<u64> {
        let limit = match self {
            Dialect::Chat | Dialect::Completions => {
                return body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64());
            }
            Dialect::Responses => &body["max_output_tokens"],
            Dialect::Anthropic => &body["max_tokens"],
            Dialect::Gemini => &body["generationConfig"]["maxOutputTokens"],
            Dialect::Ollama => &body["options"]["num_predict"],
            Dialect::Dify => &Value::Null,
        };
        limit.as_u64()
    }

    /// Whether counts of tokens come without being asked for.
    pub(super) fn counts_always(self) -> bool {
        !matches!(self, Dialect::Chat | Dialect::Completions)
    }

    /// A piece as it goes over the wire.
    pub(super) fn frame(self, value: &Value) -> Bytes {
        let name = value["type"].as_str().unwrap_or_default();
        match self {
            Dialect::Anthropic | Dialect::Responses => format!("event: {name}\ndata: {value}\n\n"),
            Dialect::Gemini => format!("data: {value}\r\n\r\n"),
            Dialect::Ollama => format!("{value}\n"),
            Dialect::Chat | Dialect::Completions | Dialect::Dify => format!("data: {value}\n\n"),
        }
        .into()
    }

    /// The beginning of a piece, with which a stream breaks off.
    pub(super) fn half_frame(self) -> Bytes {
        let whole = self.frame(&self.word(&Reply::default(), "half"));
        whole.slice(..whole.len() / 2)
    }

    /// A piece that is well framed and no JSON.
    pub(super) fn malformed_frame(self) -> Bytes {
        match self {
            Dialect::Ollama => "{\"model\": oops\n",
            _ => "data: {\"type\": oops\n\n",
        }
        .into()
    }

    /// An error document with this HTTP status.
    pub(super) fn error(self, status: StatusCode, message: &str) -> Value {
        let code = status.as_u16();
        match self {
            Dialect::Chat | Dialect::Completions | Dialect::Responses => {
                let kind = if code == 429 { "rate_limit" } else { "mock_error" };
                json!({"error": {"message": message, "type": kind, "code": kind}})
            }
            Dialect::Anthropic => {
                let kind = match code {
                    401 => "authentication_error",
                    404 => "not_found_error",
                    429 => "rate_limit_error",
                    529 => "overloaded_error",
                    400..=499 => "invalid_request_error",
                    _ => "api_error",
                };
                json!({"type": "error", "error": {"type": kind, "message": message}})
            }
            Dialect::Gemini => {
                let status = match code {
                    400 => "INVALID_ARGUMENT",
                    401 => "UNAUTHENTICATED",
                    404 => "NOT_FOUND",
                    429 => "RESOURCE_EXHAUSTED",
                    503 => "UNAVAILABLE",
                    _ => "INTERNAL",
                };
                json!({"error": {"code": code, "message": message, "status": status}})
            }
            Dialect::Ollama => json!({"error": message}),
            Dialect::Dify => json!({"code": "mock_error", "message": message, "status": code}),
        }
    }

    /// A failure inside a stream of status 200; `why` is its name, where it has another one.
    pub(super) fn error_piece(self, why: Option<&str>) -> Value {
        match self {
            Dialect::Chat | Dialect::Completions => {
                let code = why.map_or(json!(503), |why| json!(why));
                json!({"error": {"message": "overloaded", "code": code}})
            }
            Dialect::Responses => {
                json!({"type": "error", "code": "server_error", "message": "overloaded"})
            }
            Dialect::Anthropic => {
                let kind = why.unwrap_or("overloaded_error");
                json!({"type": "error", "error": {"type": kind, "message": "Overloaded"}})
            }
            Dialect::Dify => json!({"event": "error", "task_id": "task-1", "message_id": "m-1",
                "status": 400, "code": "completion_request_error", "message": "overloaded"}),
            Dialect::Gemini | Dialect::Ollama => {
                self.error(StatusCode::SERVICE_UNAVAILABLE, "overloaded")
            }
        }
    }

    /// What comes before the words.
    pub(super) fn opening(self, reply: &Reply) -> Vec<Value> {
        let prompt = reply.prompt_tokens;
        match self {
            Dialect::Chat => vec![reply.chunk(&json!({"role": "assistant", "content": ""}), None)],
            Dialect::Completions => Vec::new(),
            Dialect::Responses => {
                let response = response(reply, "in_progress");
                vec![json!({"type": "response.created", "response": response})]
            }
            Dialect::Anthropic => {
                let cached = reply.cached_tokens;
                let usage = reply.tells_usage.then(|| {
                    json!({"input_tokens": prompt - cached, "output_tokens": 1,
                        "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached})
                });
                let message = json!({"id": "msg_mock", "type": "message", "role": "assistant",
                    "model": reply.served, "content": [], "stop_reason": null, "usage": usage});
                vec![json!({"type": "message_start", "message": message}), json!({"type": "ping"})]
            }
            Dialect::Gemini | Dialect::Ollama => Vec::new(),
            Dialect::Dify => vec![dify("workflow_started", &json!({"data": {"id": "run-1"}}))],
        }
    }

    /// The model's reasoning, all at once.
    pub(super) fn reasoning(self, reply: &Reply, text: &str) -> Vec<Value> {
        match self {
            Dialect::Chat => vec![reply.chunk(&json!({"reasoning_content": text}), None)],
            Dialect::Completions => Vec::new(),
            Dialect::Responses => {
                let part = |text: &str| json!({"type": "summary_text", "text": text});
                let at = json!({"item_id": "rs_1", "output_index": 0, "summary_index": 0});
                let begun = json!({"type": "reasoning", "id": "rs_1", "summary": []});
                vec![
                    added(0, &begun),
                    with(&at, "response.reasoning_summary_part.added", "part", &part("")),
                    with(&at, "response.reasoning_summary_text.delta", "delta", &json!(text)),
                    with(&at, "response.reasoning_summary_text.done", "text", &json!(text)),
                    with(&at, "response.reasoning_summary_part.done", "part", &part(text)),
                    done(reply, 0),
                ]
            }
            Dialect::Anthropic => vec![
                json!({"type": "content_block_start", "index": 0,
                    "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
                json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "thinking_delta", "thinking": text}}),
                json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "signature_delta", "signature": "c2lnbmVk"}}),
                json!({"type": "content_block_stop", "index": 0}),
            ],
            Dialect::Gemini => vec![gemini(reply, &json!([{"text": text, "thought": true}]))],
            Dialect::Ollama => vec![ollama(reply, &json!({"content": "", "thinking": text}))],
            Dialect::Dify => vec![dify(
                "agent_thought",
                &json!({"id": "t-1", "thought": "",
                "tool": text.trim(), "tool_input": "", "observation": "done"}),
            )],
        }
    }

    /// What comes right before the words.
    pub(super) fn before_words(self, reply: &Reply) -> Vec<Value> {
        match self {
            Dialect::Anthropic => vec![json!({"type": "content_block_start",
                "index": place(reply), "content_block": {"type": "text", "text": ""}})],
            Dialect::Responses => {
                let index = place(reply);
                let item = json!({"type": "message", "id": "msg_1", "role": "assistant",
                    "status": "in_progress", "content": []});
                let at = json!({"item_id": "msg_1", "output_index": index, "content_index": 0});
                let part = json!({"type": "output_text", "text": "", "annotations": []});
                vec![added(index, &item), with(&at, "response.content_part.added", "part", &part)]
            }
            _ => Vec::new(),
        }
    }

    /// What comes right after the words.
    pub(super) fn after_words(self, reply: &Reply) -> Vec<Value> {
        match self {
            Dialect::Anthropic => {
                vec![json!({"type": "content_block_stop", "index": place(reply)})]
            }
            Dialect::Responses => {
                let index = place(reply);
                let at = json!({"item_id": "msg_1", "output_index": index, "content_index": 0});
                let text = json!(reply.text());
                let part = json!({"type": "output_text", "text": text, "annotations": []});
                vec![
                    with(&at, "response.output_text.done", "text", &text),
                    with(&at, "response.content_part.done", "part", &part),
                    done(reply, index),
                ]
            }
            _ => Vec::new(),
        }
    }

    /// One word of the answer.
    pub(super) fn word(self, reply: &Reply, word: &str) -> Value {
        match self {
            Dialect::Chat => reply.chunk(&json!({"content": word}), None),
            Dialect::Completions => reply.text_chunk(word, None),
            Dialect::Responses => json!({"type": "response.output_text.delta", "item_id": "msg_1",
                "output_index": place(reply), "content_index": 0, "delta": word, "logprobs": []}),
            Dialect::Anthropic => json!({"type": "content_block_delta", "index": place(reply),
                "delta": {"type": "text_delta", "text": word}}),
            Dialect::Gemini => gemini(reply, &json!([{"text": word}])),
            Dialect::Ollama => ollama(reply, &json!({"content": word})),
            Dialect::Dify => dify("message", &json!({"answer": word, "id": "m-1"})),
        }
    }

    /// A call of the tool `look_up`, instead of words.
    pub(super) fn call(self, reply: &Reply) -> Vec<Value> {
        let function = |arguments: &str| json!({"name": "look_up", "arguments": arguments});
        let arguments = r#"{"word":"汉"}"#;
        let (one, two) = arguments.split_at(6);
        match self {
            Dialect::Chat => vec![
                reply.chunk(
                    &json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                        "function": function(one)}]}),
                    None,
                ),
                reply.chunk(
                    &json!({"tool_calls": [{"index": 0, "function": {"arguments": two}}]}),
                    None,
                ),
            ],
            Dialect::Responses => {
                let item = json!({"type": "function_call", "id": "fc_1", "call_id": "call_1",
                    "name": "look_up", "arguments": "", "status": "in_progress"});
                let at = json!({"item_id": "fc_1", "output_index": place(reply)});
                let mut pieces = vec![added(place(reply), &item)];
                pieces.extend([one, two].map(|piece| {
                    let kind = "response.function_call_arguments.delta";
                    with(&at, kind, "delta", &json!(piece))
                }));
                let kind = "response.function_call_arguments.done";
                pieces.push(with(&at, kind, "arguments", &json!(arguments)));
                pieces.push(done(reply, place(reply)));
                pieces
            }
            Dialect::Anthropic => {
                let block =
                    json!({"type": "tool_use", "id": "call_1", "name": "look_up", "input": {}});
                let mut pieces = vec![
                    json!({"type": "content_block_start", "index": 1, "content_block": block}),
                ];
                pieces.extend(["", one, two].map(|piece| {
                    json!({"type": "content_block_delta", "index": 1,
                        "delta": {"type": "input_json_delta", "partial_json": piece}})
                }));
                pieces.push(json!({"type": "content_block_stop", "index": 1}));
                pieces
            }
            Dialect::Gemini => vec![gemini(
                reply,
                &json!([{"functionCall":
                {"name": "look_up", "args": {"word": "汉"}}, "thoughtSignature": "c2lnbmVk"}]),
            )],
            Dialect::Ollama => vec![ollama(
                reply,
                &json!({"content": "", "tool_calls": [
                {"function": {"name": "look_up", "arguments": {"word": "汉"}}}]}),
            )],
            Dialect::Dify | Dialect::Completions => Vec::new(),
        }
    }

    /// What ends an answer.
    pub(super) fn closing(self, reply: &Reply) -> Vec<Value> {
        let (prompt, completion) = (reply.prompt_tokens, reply.completion_tokens());
        let (cached, reasoning) = (reply.cached_tokens, reply.reasoning_tokens);
        let cut = reply.finish_reason == "length";
        let usage = |usage: Value| if reply.tells_usage { usage } else { Value::Null };
        match self {
            Dialect::Chat | Dialect::Completions => {
                let end = match self {
                    Dialect::Chat => reply.chunk(&json!({}), Some(reply.finish_reason)),
                    _ => reply.text_chunk("", Some(reply.finish_reason)),
                };
                let mut pieces = vec![end.clone()];
                if reply.tells_usage {
                    let mut last = end;
                    last["choices"] = json!([]);
                    last["usage"] = reply.usage();
                    pieces.push(last);
                }
                pieces
            }
            Dialect::Responses => {
                let response = self.document(reply);
                let kind = response["status"].as_str().unwrap_or_default();
                vec![json!({"type": format!("response.{kind}"), "response": response})]
            }
            Dialect::Anthropic => {
                let reason = stop_reason(reply);
                let usage = usage(json!({"output_tokens": completion}));
                vec![
                    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}),
                    json!({"type": "message_stop"}),
                ]
            }
            Dialect::Gemini => {
                let mut last = gemini(reply, &json!([{"text": ""}]));
                last["candidates"][0]["finishReason"] =
                    json!(if cut { "MAX_TOKENS" } else { "STOP" });
                last["usageMetadata"] = usage(json!({"promptTokenCount": prompt,
                    "candidatesTokenCount": completion - reasoning,
                    "thoughtsTokenCount": reasoning, "cachedContentTokenCount": cached}));
                vec![last]
            }
            Dialect::Ollama => {
                let mut last = ollama(reply, &json!({"content": ""}));
                last["done"] = json!(true);
                last["done_reason"] = json!(if cut { "length" } else { "stop" });
                if reply.tells_usage {
                    last["prompt_eval_count"] = json!(prompt);
                    last["eval_count"] = json!(completion);
                }
                vec![last]
            }
            Dialect::Dify => {
                let usage = usage(json!({"prompt_tokens": prompt, "completion_tokens": completion,
                    "total_tokens": prompt + completion, "currency": "USD"}));
                vec![dify("message_end", &json!({"id": "m-1", "metadata": {"usage": usage}}))]
            }
        }
    }

    /// The answer in one piece, where the protocol has one that is asked for in the tests.
    pub(super) fn document(self, reply: &Reply) -> Value {
        let (prompt, completion) = (reply.prompt_tokens, reply.completion_tokens());
        let cached = reply.cached_tokens;
        match self {
            Dialect::Anthropic => {
                let mut message = json!({"id": "msg_mock", "type": "message",
                    "role": "assistant", "model": reply.served, "content": blocks(reply),
                    "stop_reason": stop_reason(reply), "stop_sequence": null});
                if reply.tells_usage {
                    message["usage"] = json!({"input_tokens": prompt - cached,
                        "cache_creation_input_tokens": 0, "cache_read_input_tokens": cached,
                        "output_tokens": completion});
                }
                message
            }
            Dialect::Responses => {
                let cut = reply.finish_reason == "length";
                let mut response = response(reply, if cut { "incomplete" } else { "completed" });
                response["output"] = json!(output(reply));
                if cut {
                    response["incomplete_details"] = json!({"reason": "max_output_tokens"});
                }
                if reply.tells_usage {
                    response["usage"] = json!({"input_tokens": prompt, "output_tokens": completion,
                        "total_tokens": prompt + completion,
                        "input_tokens_details": {"cached_tokens": cached},
                        "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens}});
                }
                response
            }
            Dialect::Completions => {
                let mut document = reply.text_chunk(&reply.text(), Some(reply.finish_reason));
                if reply.tells_usage {
                    document["usage"] = reply.usage();
                }
                document
            }
            _ => reply.document(),
        }
    }

    /// What ends the stream beside its last piece.
    pub(super) fn mark(self) -> Option<&'static str> {
        matches!(self, Dialect::Chat | Dialect::Completions).then_some("data: [DONE]\n\n")
    }
}

fn gemini(reply: &Reply, parts: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "modelVersion": reply.served, "responseId": "gemini-mock"})
}

fn ollama(reply: &Reply, message: &Value) -> Value {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    json!({"model": reply.served, "created_at": "2026-01-01T00:00:00Z", "message": message,
        "done": false})
}

fn dify(event: &str, members: &Value) -> Value {
    let mut value = json!({"event": event, "task_id": "task-1", "message_id": "m-1",
        "conversation_id": "c-1", "created_at": 1_700_000_000});
    for (name, member) in members.as_object().into_iter().flatten() {
        value[name] = member.clone();
    }
    value
}
