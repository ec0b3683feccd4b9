//! The typed events of the Responses API.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::endpoint::{decode, decode_piece};
use crate::openai::lenient;
use crate::pieces::DONE;
use crate::stream::Reader;
use crate::{ChatEvent, Endpoint, FinishReason, LlmError, ToolCallDelta, Usage};

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "response.created")]
    Created { response: Response },
    #[serde(rename = "response.output_item.added")]
    ItemAdded { output_index: u64, item: Item },
    #[serde(rename = "response.output_item.done")]
    ItemDone { item: Value },
    #[serde(rename = "response.output_text.delta")]
    Text { delta: String },
    #[serde(rename = "response.refusal.delta")]
    Refusal { delta: String },
    #[serde(
        rename = "response.reasoning_summary_text.delta",
        alias = "response.reasoning_text.delta"
    )]
    Reasoning { delta: String },
    /// Another paragraph of the summary begins.
    #[serde(rename = "response.reasoning_summary_part.added")]
    Paragraph {
        #[serde(default)]
        summary_index: u64,
    },
    #[serde(rename = "response.function_call_arguments.delta")]
    Arguments { output_index: u64, delta: String },
    #[serde(rename = "response.completed")]
    Completed { response: Response },
    #[serde(rename = "response.incomplete")]
    Incomplete { response: Response },
    #[serde(rename = "response.failed")]
    Failed { response: Response },
    #[serde(rename = "error")]
    Error {
        #[serde(flatten)]
        error: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default, deserialize_with = "lenient")]
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    model: String,
    #[serde(default)]
    usage: Option<Counts>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    incomplete_details: Option<Incomplete>,
}

#[derive(Deserialize)]
struct Incomplete {
    #[serde(default, deserialize_with = "lenient")]
    reason: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    FunctionCall {
        call_id: String,
        name: String,
        #[serde(default, deserialize_with = "lenient")]
        arguments: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "lenient")]
    input_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    input_tokens_details: InputDetails,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    output_tokens_details: OutputDetails,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    #[serde(default, deserialize_with = "lenient")]
    cached_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    cache_write_tokens: u64,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "lenient")]
    reasoning_tokens: u64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            prompt_tokens: counts.input_tokens,
            completion_tokens: counts.output_tokens,
            cached_tokens: counts.input_tokens_details.cached_tokens,
            cache_write_tokens: counts.input_tokens_details.cache_write_tokens,
            reasoning_tokens: counts.output_tokens_details.reasoning_tokens,
            ..Self::default()
        }
        .bounded()
    }
}

/// What is known of an answer while it comes.
pub(super) struct Events {
    endpoint: Endpoint,
    /// The number of the call behind each item of the output.
    calls: HashMap<u64, u32>,
    /// The reasoning that led to what comes next, sealed.
    reasoning: Vec<Value>,
    /// Whether the model said that it refuses.
    refused: bool,
    end: Option<(FinishReason, Option<Usage>)>,
}

impl Events {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, calls: HashMap::new(), reasoning: Vec::new(), refused: false, end: None }
    }

    fn added(&mut self, output_index: u64, item: Item) -> Option<ChatEvent> {
        let Item::FunctionCall { call_id, name, arguments } = item else { return None };
        let index = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        self.calls.insert(output_index, index);
        Some(ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: Some(call_id),
            name: Some(name),
            arguments,
            extra_content: (!self.reasoning.is_empty())
                .then(|| json!({ "openai": { "reasoning": std::mem::take(&mut self.reasoning) } })),
        }))
    }

    /// Reasoning that is not sealed cannot be given back, as nothing is kept at the provider.
    fn done(&mut self, mut item: Value) {
        let sealed = item.get("encrypted_content").is_some_and(Value::is_string);
        if item["type"] == "reasoning"
            && sealed
            && let Some(members) = item.as_object_mut()
        {
            members.retain(|name, value| name != "status" && !value.is_null());
            self.reasoning.push(item);
        }
    }

    fn ended(&mut self, reason: FinishReason, response: Response) {
        self.end = Some((reason, response.usage.map(Usage::from)));
    }
}

fn completed(called: bool, refused: bool) -> FinishReason {
    match (called, refused) {
        (true, _) => FinishReason::ToolCalls,
        (false, true) => FinishReason::ContentFilter,
        (false, false) => FinishReason::Stop,
    }
}

fn incomplete(details: Option<&Incomplete>) -> FinishReason {
    match details.map(|details| details.reason.as_str()) {
        Some("content_filter") => FinishReason::ContentFilter,
        Some("max_output_tokens") | None => FinishReason::Length,
        Some(other) => FinishReason::Other(other.to_owned()),
    }
}

/// What a response in one piece says.
pub(super) fn whole(endpoint: &Endpoint, body: &[u8]) -> Result<Vec<ChatEvent>, LlmError> {
    #[derive(Deserialize)]
    struct Whole {
        #[serde(flatten)]
        response: Response,
        #[serde(default, deserialize_with = "lenient")]
        status: String,
        #[serde(default, deserialize_with = "lenient")]
        output: Vec<WholeItem>,
    }
    #[derive(Deserialize)]
    struct WholeItem {
        #[serde(default)]
        arguments: Option<String>,
        #[serde(default, deserialize_with = "lenient")]
        content: Vec<WholePart>,
        #[serde(default, deserialize_with = "lenient")]
        summary: Vec<WholePart>,
    }
    #[derive(Deserialize)]
    struct WholePart {
        #[serde(default, deserialize_with = "lenient")]
        text: String,
        #[serde(default, deserialize_with = "lenient")]
        refusal: String,
    }
    let Whole { response, status, output } = decode(body)?;
    if let Some(error) = &response.error {
        return Err(endpoint.member_error(error));
    }
    let mut said =
        vec![ChatEvent::Started { id: response.id.clone(), model: response.model.clone() }];
    let (mut called, mut refused) = (false, false);
    for WholeItem { arguments, content, summary } in output {
        called |= arguments.is_some();
        said.extend(summary.into_iter().map(|part| ChatEvent::Reasoning(part.text)));
        for WholePart { text, refusal } in content {
            refused |= !refusal.is_empty();
            said.push(ChatEvent::Text(text));
            said.extend((!refusal.is_empty()).then_some(ChatEvent::Refusal(refusal)));
        }
        said.extend(arguments.map(|arguments| {
            ChatEvent::ToolCall(ToolCallDelta { arguments, ..ToolCallDelta::default() })
        }));
    }
    let reason = match status.as_str() {
        "incomplete" => incomplete(response.incomplete_details.as_ref()),
        _ => completed(called, refused),
    };
    said.push(ChatEvent::Finished { reason, usage: response.usage.map(Usage::from) });
    Ok(said)
}

impl Reader for Events {
    fn read(&mut self, piece: &str) -> Result<Vec<ChatEvent>, LlmError> {
        if piece.trim() == DONE {
            return Ok(Vec::new());
        }
        let event = match decode_piece(piece)? {
            Event::Created { response } => {
                Some(ChatEvent::Started { id: response.id, model: response.model })
            }
            Event::ItemAdded { output_index, item } => self.added(output_index, item),
            Event::ItemDone { item } => {
                self.done(item);
                None
            }
            Event::Text { delta } => Some(ChatEvent::Text(delta)),
            Event::Refusal { delta } => {
                self.refused = true;
                Some(ChatEvent::Refusal(delta))
            }
            Event::Reasoning { delta } => Some(ChatEvent::Reasoning(delta)),
            Event::Paragraph { summary_index: 0 } => None,
            Event::Paragraph { .. } => Some(ChatEvent::Reasoning("\n\n".to_owned())),
            Event::Arguments { output_index, delta } => {
                self.calls.get(&output_index).map(|&index| {
                    let call = ToolCallDelta { index, arguments: delta, ..Default::default() };
                    ChatEvent::ToolCall(call)
                })
            }
            Event::Completed { response } => {
                self.ended(completed(!self.calls.is_empty(), self.refused), response);
                None
            }
            Event::Incomplete { response } => {
                self.ended(incomplete(response.incomplete_details.as_ref()), response);
                None
            }
            Event::Failed { response } => {
                let error = response.error.unwrap_or_default();
                return Err(self.endpoint.member_error(&error));
            }
            Event::Error { error } => {
                // Some servers put an object around it.
                let inner = error.get("error").filter(|inner| inner.is_object());
                return Err(self.endpoint.member_error(inner.unwrap_or(&error)));
            }
            Event::Other => None,
        };
        Ok(event.into_iter().collect())
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn end(&mut self) -> Option<ChatEvent> {
        let (reason, usage) = self.end.take()?;
        Some(ChatEvent::Finished { reason, usage })
    }
}
