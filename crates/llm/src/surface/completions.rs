//! OpenAI's older completions: a text that is gone on with. Through a model that answers messages
//! the text is a message of the user.

use serde_json::{Map, Value, json};

use super::chat::DONE;
use super::read::At;
use super::{Answer, BadRequest, Fault, Head, Writer};
use crate::openai::WireUsage;
use crate::{ChatEvent, ChatMessage, ChatRequest, FinishReason, Role, Usage, sse};

/// Members that mean the same for messages.
const SAME: [&str; 8] = [
    "frequency_penalty",
    "logit_bias",
    "presence_penalty",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "top_k",
    "user",
];

/// The request as a conversation.
pub fn request(body: &Value) -> Result<ChatRequest, BadRequest> {
    let at = At::root(body);
    for (name, harmless) in [("n", json!(1)), ("best_of", json!(1)), ("echo", json!(false))] {
        if at.get(name).is_some_and(|member| *member.value != harmless) {
            let words = format!("this model takes nothing but {harmless}");
            return Err(at.need(name)?.refuse(&words));
        }
    }
    for name in ["suffix", "logprobs"] {
        if let Some(member) = at.get(name).filter(|member| member.value != &json!("")) {
            return Err(member.refuse("is not to be had from this model"));
        }
    }
    let message = ChatMessage::text(Role::User, prompt(&at)?);
    let mut request = ChatRequest::new(at.text("model")?, vec![message]);
    request.max_tokens = at.read("max_tokens")?;
    request.temperature = at.read("temperature")?;
    request.top_p = at.read("top_p")?;
    request.seed = at.read("seed")?;
    request.stop = at.read("stop")?;
    let same = SAME.iter().filter_map(|&name| Some((name.to_owned(), at.get(name)?.value.clone())));
    request.extra = same.collect::<Map<_, _>>();
    Ok(request)
}

/// The member of a chat completion's request that one of these becomes; `None` for what is not known
/// and has no effect.
pub fn becomes(member: &str) -> Option<&str> {
    Some(match member {
        "max_tokens" | "model" | "seed" | "stop" | "stream" | "stream_options" | "temperature"
        | "top_p" => member,
        // All but the prompt are refused where they ask for something.
        "prompt" | "best_of" | "echo" | "logprobs" | "n" | "suffix" => "messages",
        _ => SAME.contains(&member).then_some(member)?,
    })
}

fn prompt<'a>(at: &At<'a>) -> Result<&'a str, BadRequest> {
    let prompt = at.need("prompt")?;
    if let Value::String(text) = prompt.value {
        return Ok(text);
    }
    match prompt.items()?.as_slice() {
        [one] if one.value.is_string() => one.as_text(),
        _ => Err(prompt.refuse("this model takes one string; no lists of tokens or of prompts")),
    }
}

/// Writes a completion.
pub struct Completions {
    head: Head,
    id: String,
    with_usage: bool,
}

impl Completions {
    /// An answer that begins.
    pub fn new(head: Head, with_usage: bool) -> Self {
        let id = format!("cmpl-{}", head.seed);
        Self { head, id, with_usage }
    }

    fn value(&self, text: &str, reason: Option<&FinishReason>) -> Value {
        // The older API knows no tools.
        let reason = match reason {
            Some(FinishReason::ToolCalls) => Some(&FinishReason::Stop),
            other => other,
        };
        json!({
            "id": self.id,
            "object": "text_completion",
            "created": self.head.created,
            "model": self.head.model,
            "choices": [{ "index": 0, "text": text, "logprobs": null, "finish_reason": reason }],
        })
    }

    fn end(&self, reason: &FinishReason, usage: Option<Usage>) -> String {
        let mut end = sse::event(None, &self.value("", Some(reason)).to_string());
        if self.with_usage {
            let mut last = self.value("", None);
            last["choices"] = json!([]);
            last["usage"] = json!(WireUsage::from(usage.unwrap_or_default()));
            end.push_str(&sse::event(None, &last.to_string()));
        }
        end.push_str(&sse::event(None, DONE));
        end
    }
}

impl Writer for Completions {
    fn adopt(&mut self, id: &str, model: &str) {
        id.clone_into(&mut self.id);
        self.head.served_by(model.to_owned());
    }

    fn write(&mut self, event: ChatEvent) -> String {
        match event {
            ChatEvent::Started { model, .. } => {
                self.head.served_by(model);
                String::new()
            }
            ChatEvent::Text(text) | ChatEvent::Refusal(text) => {
                sse::event(None, &self.value(&text, None).to_string())
            }
            // There is no place for them.
            ChatEvent::Reasoning(_) | ChatEvent::ToolCall(_) | ChatEvent::Counted(_) => {
                String::new()
            }
            ChatEvent::Finished { reason, usage } => self.end(&reason, usage),
        }
    }

    fn fail(&mut self, fault: &Fault<'_>) -> String {
        sse::event(None, &fault.openai().to_string())
    }

    fn document(&mut self, answer: Answer) -> Value {
        self.head.served_by(answer.model.clone());
        let mut value = self.value(&answer.text(), Some(&answer.reason));
        if let Some(usage) = answer.usage {
            value["usage"] = json!(WireUsage::from(usage));
        }
        value
    }
}
