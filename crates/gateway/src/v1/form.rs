//! The surfaces' forms: how each is aimed at a model, translated and written.

use lyceum_core::Misread;
use lyceum_llm::ChatRequest;
use lyceum_llm::responses::SEALED;
use lyceum_llm::surface::chat::{self, Chat};
use lyceum_llm::surface::completions::{self, Completions};
use lyceum_llm::surface::messages::{self, Messages};
use lyceum_llm::surface::responses::{self, Responses};
use lyceum_llm::surface::{BadRequest, Head, MARK, Writer};
use serde_json::{Value, json};

use super::Failure;
use super::body::Body;
use super::ignored::Ignored;
use crate::ModelConfig;
use crate::models::Target;

/// In whose form something is asked, and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenAI's chat completions.
    Chat {
        /// Whether the caller wants the usage at the end of a stream.
        with_usage: bool,
    },
    /// OpenAI's older completions.
    Completions {
        /// The same.
        with_usage: bool,
    },
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Responses,
}

/// Settings of a model that are members of Anthropic's requests.
const OF_MESSAGES: [&str; 8] = [
    "cache_control",
    "metadata",
    "output_config",
    "service_tier",
    "stop_sequences",
    "thinking",
    "top_k",
    "top_p",
];
/// Settings of a model that are members of OpenAI's responses.
const OF_RESPONSES: [&str; 10] = [
    "include",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "service_tier",
    "text",
    "top_p",
    "truncation",
    "user",
];

impl From<BadRequest> for Failure {
    fn from(error: BadRequest) -> Self {
        // The place of the fault stands before the words.
        let member = Misread::of(&error).member;
        Failure::bad_request("invalid_request", error.to_string()).about(&member)
    }
}

impl Form {
    /// Names the provider's model in a request that is passed on, fills in what the model's settings
    /// say, and leaves out what only this program understands.
    pub(super) fn aim(self, body: &mut Body, model: &ModelConfig) -> Result<(), Failure> {
        match self {
            Form::Chat { .. } | Form::Completions { .. } => body.aim_at(model),
            Form::Messages => {
                // Thinking goes with the model's own sampling only.
                let thinks = body.has("thinking") || model.options.contains_key("thinking");
                if let Some(temperature) = model.temperature.filter(|_| !thinks) {
                    body.set_absent("temperature", temperature)?;
                }
                fill(body, model, &OF_MESSAGES)?;
                without_foreign(body)?;
                body.set("model", &model.model)
            }
            Form::Responses => {
                if let Some(tokens) = model.max_tokens {
                    body.set_absent("max_output_tokens", tokens)?;
                }
                if let Some(temperature) = model.temperature {
                    body.set_absent("temperature", temperature)?;
                }
                if let Some(effort) = model.options.get("reasoning_effort") {
                    body.set_absent("reasoning", json!({ "effort": effort }))?;
                }
                fill(body, model, &OF_RESPONSES)?;
                stand_alone(body)?;
                body.set("model", &model.model)
            }
        }
    }

    /// Whether the provider speaks this very form, so that requests are passed on as they came.
    pub(super) fn is_spoken_at(self, target: &Target) -> bool {
        matches!(
            (target, self),
            (Target::OpenAi(_), Form::Chat { .. } | Form::Completions { .. })
                | (Target::Anthropic(_), Form::Messages)
                | (Target::Responses(_), Form::Responses)
        )
    }

    /// What of a request has no effect where it is translated for this model.
    pub(super) fn ignored(self, body: &Body, model: &ModelConfig) -> Ignored {
        let Some(port) = model.target.chat() else { return Ignored::default() };
        let left_out = port.left_out_of(&model.model);
        let takes = |name: &str| port.takes(name) && !left_out.contains(&name);
        Ignored::of(body, |name| self.becomes(name).is_some_and(takes))
    }

    /// What a member of a request is called in a request as the ports take it; `None` for one that
    /// the form does not know.
    fn becomes(self, name: &str) -> Option<&str> {
        match self {
            Form::Chat { .. } => Some(chat::becomes(name)),
            Form::Completions { .. } => completions::becomes(name),
            Form::Messages => messages::becomes(name),
            Form::Responses => responses::becomes(name),
        }
    }

    /// A request as the ports take it.
    pub(super) fn request(self, body: &Body) -> Result<ChatRequest, Failure> {
        Ok(match self {
            Form::Chat { .. } => {
                if body.get::<u32>("n")?.is_some_and(|answers| answers != 1) {
                    let message = "This model gives one answer; leave 'n' out or set it to 1.";
                    return Err(Failure::bad_request("invalid_field", message).about("n"));
                }
                chat::request(body.chat_request()?)?
            }
            Form::Completions { .. } => completions::request(&body.parse()?)?,
            Form::Messages => messages::request(&body.parse()?)?,
            Form::Responses => responses::request(&body.parse()?)?,
        })
    }

    /// What writes the answer to a request.
    pub(super) fn writer(self, head: Head, body: &Body) -> Result<Box<dyn Writer>, Failure> {
        Ok(match self {
            Form::Chat { with_usage } => {
                let is_older = body.has_items("functions");
                Box::new(Chat::new(head, with_usage).in_older_words(is_older))
            }
            Form::Completions { with_usage } => Box::new(Completions::new(head, with_usage)),
            Form::Messages => Box::new(Messages::new(head)),
            Form::Responses => Box::new(Responses::new(head, &body.without("input")?)),
        })
    }
}

/// Sets what a model's settings say of these members and the request does not.
fn fill(body: &mut Body, model: &ModelConfig, known: &[&str]) -> Result<(), Failure> {
    for (name, value) in model.options.iter().filter(|(name, _)| known.contains(&name.as_str())) {
        body.set_absent(name, value)?;
    }
    Ok(())
}

/// Makes a request of the Responses API stand alone: one account serves many people, who must not find
/// each other's answers there, so that nothing of them is kept.
fn stand_alone(body: &mut Body) -> Result<(), Failure> {
    // Without reading an input that has nothing of it.
    let words = ["\"reasoning\"", "\"item_reference\""];
    if body.raw("input").is_some_and(|raw| words.iter().any(|word| raw.contains(word))) {
        let mut input = body.get::<Value>("input")?.unwrap_or_default();
        if responses::stand_alone(&mut input)? {
            body.set("input", input)?;
        }
    }
    // The reasoning that led to a call has to come back with the call's result.
    if body.has_items("tools") {
        let sealed = json!(SEALED);
        let mut include = body.get::<Vec<Value>>("include")?.unwrap_or_default();
        if !include.contains(&sealed) {
            include.push(sealed);
            body.set("include", include)?;
        }
    }
    body.set("store", false)
}

/// Takes out of Anthropic's messages what only this program understands; without reading them where
/// there is no mark of such, which is nearly always.
pub(super) fn without_foreign(body: &mut Body) -> Result<(), Failure> {
    if body.raw("messages").is_some_and(|raw| raw.contains(MARK)) {
        let mut turns = body.get::<Value>("messages")?.unwrap_or_default();
        messages::without_foreign(&mut turns);
        body.set("messages", turns)?;
    }
    Ok(())
}
