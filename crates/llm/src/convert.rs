//! The parts of a request in OpenAI's form that clients of other protocols translate.

mod tools;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use url::Url;

pub(crate) use self::tools::{
    Tool, ToolCall, ToolChoice, check_tools, in_order, tool_call_id, tool_calls, tool_choice,
    tool_name, tools,
};
use crate::chat::decimal;
use crate::{ChatRequest, Content, ContentPart, Endpoint, LlmError, Role};

/// The largest picture that is fetched for a provider that takes no addresses, in bytes.
const MAX_FETCHED: usize = 20 * 1024 * 1024;

/// One part of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Image(Media<'a>),
    File(Media<'a>),
}

/// A picture or a document.
#[derive(Debug, PartialEq)]
pub(crate) enum Media<'a> {
    /// Its type and its bytes in base64.
    Inline { kind: &'a str, data: &'a str },
    /// Where it is.
    Remote(&'a str),
}

impl<'a> Media<'a> {
    fn at(url: &'a str) -> Result<Self, LlmError> {
        let Some(rest) = url.strip_prefix("data:") else {
            return Ok(Media::Remote(url));
        };
        let inline = rest.split_once(',').and_then(|(head, data)| {
            let kind = head.strip_suffix(";base64")?;
            Some(Media::Inline { kind: kind.split(';').next()?, data })
        });
        inline.ok_or_else(|| refused("a data: address must be of the form data:TYPE;base64,DATA"))
    }

    /// The type and the bytes in base64, fetched where they are elsewhere. What is fetched must be
    /// a picture: an address that a person names must not become a way to read other things.
    pub(crate) async fn load(&self, endpoint: &Endpoint) -> Result<(String, String), LlmError> {
        let address = match self {
            Media::Inline { kind, data } => return Ok(((*kind).to_owned(), (*data).to_owned())),
            Media::Remote(address) => address,
        };
        let url = Url::parse(address).map_err(|_| refused("a picture's address is not valid"))?;
        let fetched = endpoint.fetch(url, MAX_FETCHED).await;
        let (kind, bytes) = fetched.map_err(|error| match error {
            internal @ LlmError::Internal(_) => internal,
            other => refused(&format!("a picture could not be fetched ({other})")),
        })?;
        match kind.starts_with("image/") {
            true => Ok((kind, STANDARD.encode(bytes))),
            false => Err(refused("what is at a picture's address is not a picture")),
        }
    }
}

/// A request that cannot be put into the provider's form.
pub(crate) fn refused(reason: &str) -> LlmError {
    LlmError::Rejected(reason.to_owned())
}

/// The parts of a content, without empty texts.
pub(crate) fn parts(content: Option<&Content>) -> Result<Vec<Part<'_>>, LlmError> {
    let parts = match content {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![Part::Text(text)],
        Some(Content::Parts(parts)) => parts.iter().map(part).collect::<Result<_, _>>()?,
    };
    Ok(parts.into_iter().filter(|part| *part != Part::Text("")).collect())
}

/// One part of a content.
pub(crate) fn part(part: &ContentPart) -> Result<Part<'_>, LlmError> {
    let value = match part {
        ContentPart::Text { text, .. } => return Ok(Part::Text(text)),
        ContentPart::Other(value) => value,
    };
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let member = value.get(kind);
    let text = |name: &str| member?.get(name)?.as_str();
    match kind {
        "image_url" => {
            // Some clients give the address without an object around it.
            let url = text("url").or_else(|| member?.as_str());
            let url = url.ok_or_else(|| refused("an image_url part has no url"))?;
            Ok(Part::Image(Media::at(url)?))
        }
        "file" => {
            let data = text("file_data").or_else(|| text("file_url"));
            let data = data.ok_or_else(|| refused("a file part has no file_data"))?;
            Ok(Part::File(Media::at(data)?))
        }
        "refusal" => Ok(Part::Text(value.get(kind).and_then(Value::as_str).unwrap_or_default())),
        other => Err(refused(&format!("this provider takes no parts of type '{other}'"))),
    }
}

/// All system messages of a request as one text, where there are any.
pub(crate) fn system(request: &ChatRequest) -> Option<String> {
    let messages = request.messages.iter().filter(|message| message.role == Role::System);
    let texts: Vec<String> =
        messages.filter_map(|message| Some(message.content.as_ref()?.text())).collect();
    let text = texts.join("\n\n");
    (!text.is_empty()).then_some(text)
}

/// The form that an answer has to have.
pub(crate) enum Format<'a> {
    /// Some JSON object.
    Json,
    /// JSON by a schema.
    Schema { name: &'a str, schema: &'a Value, strict: Option<bool> },
}

/// What the request says of it; plain text where nothing.
pub(crate) fn format(request: &ChatRequest) -> Option<Format<'_>> {
    let format = request.extra.get("response_format")?;
    match format.get("type")?.as_str()? {
        "json_object" => Some(Format::Json),
        "json_schema" => {
            let schema = format.get("json_schema")?;
            Some(Format::Schema {
                name: schema.get("name").and_then(Value::as_str).unwrap_or("answer"),
                schema: schema.get("schema")?,
                strict: schema.get("strict").and_then(Value::as_bool),
            })
        }
        _ => None,
    }
}

/// The stop sequences.
pub(crate) fn stops(request: &ChatRequest) -> Vec<String> {
    let texts = match &request.stop {
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(Value::Array(stops)) => {
            stops.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

/// The temperature.
pub(crate) fn temperature(request: &ChatRequest) -> Option<Value> {
    request.temperature.map(|value| json!(decimal(value)))
}

/// The part of the probabilities that is sampled from.
pub(crate) fn top_p(request: &ChatRequest) -> Option<Value> {
    request.top_p.map(|value| json!(decimal(value)))
}

/// How hard the model has to think: OpenAI's `none`, `minimal`, `low`, `medium`, `high`, `xhigh`.
pub(crate) fn effort(request: &ChatRequest) -> Option<&str> {
    request.extra.get("reasoning_effort")?.as_str()
}

/// Members of OpenAI's chat completions, which a client translates or which mean nothing elsewhere.
const OPENAI: [&str; 36] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

/// Those of them that Gemini's and Ollama's own protocols have a word for.
pub(crate) const TRANSLATED: [&str; 13] = [
    "frequency_penalty",
    "max_completion_tokens",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// Members that are read wherever a request goes.
const ALWAYS: [&str; 5] = ["messages", "model", "n", "stream", "stream_options"];

/// The members that are neither OpenAI's own nor empty: the provider's, passed on as they came.
pub(crate) fn own_members(request: &ChatRequest) -> Map<String, Value> {
    let own = request
        .extra
        .iter()
        .filter(|(name, value)| !value.is_null() && OPENAI.binary_search(&name.as_str()).is_err());
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a client has a meaning for a member that translates those `translated` of OpenAI's, and
/// passes on what is not OpenAI's.
pub(crate) fn takes(translated: &[&str], member: &str) -> bool {
    OPENAI.binary_search(&member).is_err()
        || ALWAYS.contains(&member)
        || translated.contains(&member)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: Value) -> ChatRequest {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn parts_are_read_in_both_spellings_and_odd_ones_are_named() {
        let content: Content = serde_json::from_value(json!([
            {"type": "text", "text": "a"}, {"type": "text", "text": ""},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "image_url", "image_url": "https://example.com/b.png"},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB"}},
        ]))
        .unwrap();
        let expected = [
            Part::Text("a"),
            Part::Image(Media::Inline { kind: "image/png", data: "AAAA" }),
            Part::Image(Media::Remote("https://example.com/b.png")),
            Part::File(Media::Inline { kind: "application/pdf", data: "BBBB" }),
        ];
        assert_eq!(parts(Some(&content)).unwrap(), expected);
        for (bad, words) in [
            (json!([{"type": "input_audio", "input_audio": {}}]), "'input_audio'"),
            (json!([{"type": "image_url", "image_url": {}}]), "no url"),
            (json!([{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]), "base64"),
        ] {
            let content: Content = serde_json::from_value(bad).unwrap();
            let error = parts(Some(&content)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_providers_own_members_are_told_from_openais() {
        let request = request(json!({"model": "m", "messages": [], "n": 1, "user": "u",
            "tools": [], "keep_alive": "5m", "nothing": null, "top_p": 0.5}));
        assert_eq!(Value::Object(own_members(&request)), json!({"keep_alive": "5m"}));
    }
}
