//! Models as providers list them. Most say no more of a model than its name; what some say besides,
//! each says in words of its own.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::gemini::bare;
use crate::openai::readable;

/// The most pages of a list that are asked for.
pub(crate) const MOST_PAGES: usize = 50;

/// A model that a provider lists. What is absent the provider does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// The name that requests use.
    pub id: String,
    /// What it does.
    pub task: Option<ListedTask>,
    /// Tokens of a prompt and its answer, or those that a model takes to embed.
    pub context_length: Option<u32>,
}

/// What a model does, in its provider's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedTask {
    /// Answers messages.
    Chat,
    /// Turns texts into vectors.
    Embedding,
    /// Something else, such as painting.
    Other,
}

impl ListedTask {
    fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "chat" | "code" | "completion" | "language" | "llm" | "text" | "vlm" => Self::Chat,
            "embedding" | "embeddings" => Self::Embedding,
            "audio" | "image" | "moderation" | "rerank" | "speech" | "transcribe" | "video" => {
                Self::Other
            }
            _ => return None,
        })
    }

    /// Of several words; those for what is done here go before the others.
    fn of<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let order = |task: &Self| match task {
            Self::Chat => 0,
            Self::Embedding => 1,
            Self::Other => 2,
        };
        words.filter_map(Self::named).min_by_key(order)
    }
}

/// All models of a list by their names, each once.
pub(crate) fn sorted(models: impl IntoIterator<Item = impl Into<ListedModel>>) -> Vec<ListedModel> {
    let mut models: Vec<ListedModel> = models.into_iter().map(Into::into).collect();
    models.sort_by(|one, other| one.id.cmp(&other.id));
    models.dedup_by(|one, other| one.id == other.id);
    models
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The answer to OpenAI's `GET /models`.
#[derive(Deserialize)]
pub(crate) struct OpenAiList {
    pub(crate) data: Vec<OpenAiModel>,
}

/// A model in OpenAI's list. OpenAI itself says nothing of it; others do, each by other members.
#[derive(Deserialize)]
pub(crate) struct OpenAiModel {
    id: String,
    #[serde(flatten)]
    said: Map<String, Value>,
}

impl From<OpenAiModel> for ListedModel {
    fn from(OpenAiModel { id, said }: OpenAiModel) -> Self {
        // OpenRouter and Moonshot; Mistral; Groq; vLLM.
        let names = ["context_length", "max_context_length", "context_window", "max_model_len"];
        let length = names.iter().find_map(|name| said.get(*name)?.as_u64()).filter(|n| *n > 0);
        let said = Value::Object(said);
        let word = said["type"].as_str().and_then(ListedTask::named);
        let modalities = ListedTask::of(texts(&said["architecture"]["output_modalities"]));
        let chats = said["capabilities"]["completion_chat"] == true;
        Self {
            id,
            task: word.or(modalities).or(chats.then_some(ListedTask::Chat)),
            context_length: length.and_then(|length| u32::try_from(length).ok()),
        }
    }
}

/// A model in Anthropic's list.
#[derive(Deserialize)]
pub(crate) struct AnthropicModel {
    id: String,
    #[serde(default, deserialize_with = "readable")]
    max_input_tokens: Option<u32>,
}

impl From<AnthropicModel> for ListedModel {
    fn from(model: AnthropicModel) -> Self {
        Self {
            id: model.id,
            task: Some(ListedTask::Chat),
            context_length: model.max_input_tokens.filter(|length| *length > 0),
        }
    }
}

/// A model in Gemini's list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GeminiModel {
    name: String,
    #[serde(default, deserialize_with = "readable")]
    input_token_limit: Option<u32>,
    #[serde(default, deserialize_with = "readable")]
    supported_generation_methods: Vec<String>,
}

impl From<GeminiModel> for ListedModel {
    fn from(model: GeminiModel) -> Self {
        let methods = &model.supported_generation_methods;
        let has = |name: &str| methods.iter().any(|method| method == name);
        let task = match methods.is_empty() {
            true => None,
            false if has("generateContent") => Some(ListedTask::Chat),
            false if has("embedContent") || has("batchEmbedContents") => {
                Some(ListedTask::Embedding)
            }
            false => Some(ListedTask::Other),
        };
        Self {
            id: bare(&model.name).to_owned(),
            task,
            context_length: model.input_token_limit.filter(|length| *length > 0),
        }
    }
}

/// A model on the disk of an Ollama.
#[derive(Deserialize)]
pub(crate) struct OllamaModel {
    name: String,
    /// Of newer versions.
    #[serde(default)]
    capabilities: Value,
    #[serde(default)]
    details: Value,
}

impl From<OllamaModel> for ListedModel {
    fn from(model: OllamaModel) -> Self {
        let family = model.details["family"].as_str().unwrap_or_default();
        let embeds = family.contains("bert").then_some(ListedTask::Embedding);
        Self {
            id: model.name,
            task: ListedTask::of(texts(&model.capabilities)).or(embeds),
            context_length: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn listed<T: DeserializeOwned + Into<ListedModel>>(model: Value) -> ListedModel {
        serde_json::from_value::<T>(model).unwrap().into()
    }

    #[test]
    fn what_a_list_says_in_openais_form_is_read_in_each_ones_words() {
        use ListedTask::{Chat, Embedding, Other};
        for (model, task, length) in [
            (json!({"object": "model", "owned_by": "openai"}), None, None),
            (json!({"type": "model"}), None, None),
            (json!({"type": "embedding", "context_length": 512}), Some(Embedding), Some(512)),
            (json!({"type": "image"}), Some(Other), None),
            (json!({"max_model_len": 4096}), None, Some(4096)),
            (json!({"context_window": 0}), None, None),
            (json!({"context_window": "many"}), None, None),
            (
                json!({"capabilities": {"completion_chat": true}, "max_context_length": 131_072}),
                Some(Chat),
                Some(131_072),
            ),
            (json!({"capabilities": ["x"]}), None, None),
            (json!({"architecture": {"output_modalities": ["image", "text"]}}), Some(Chat), None),
            (json!({"architecture": {"output_modalities": ["image"]}}), Some(Other), None),
        ] {
            let mut whole = model.clone();
            whole["id"] = json!("m");
            let expected = ListedModel { id: "m".to_owned(), task, context_length: length };
            assert_eq!(listed::<OpenAiModel>(whole), expected, "{model}");
        }
    }

    #[test]
    fn what_other_lists_say_is_read() {
        use ListedTask::{Chat, Embedding, Other};
        let expected =
            |task, context_length| ListedModel { id: "m".to_owned(), task, context_length };
        for (methods, task) in [
            (json!(["generateContent", "countTokens"]), Some(Chat)),
            (json!(["embedContent"]), Some(Embedding)),
            (json!(["predict"]), Some(Other)),
            (Value::Null, None),
        ] {
            let model = json!({"name": "models/m", "inputTokenLimit": 2048,
                               "supportedGenerationMethods": methods});
            assert_eq!(listed::<GeminiModel>(model), expected(task, Some(2048)));
        }
        for (model, task) in [
            (json!({"capabilities": ["completion", "tools"]}), Some(Chat)),
            (json!({"capabilities": ["embedding"]}), Some(Embedding)),
            (json!({"details": {"family": "nomic-bert"}}), Some(Embedding)),
            (json!({"details": {"family": "llama"}}), None),
            (json!({"details": null}), None),
        ] {
            let mut whole = model.clone();
            whole["name"] = json!("m");
            assert_eq!(listed::<OllamaModel>(whole), expected(task, None), "{model}");
        }
        let model = json!({"type": "model", "id": "m", "max_input_tokens": 200_000});
        assert_eq!(listed::<AnthropicModel>(model), expected(Some(Chat), Some(200_000)));
    }

    #[test]
    fn a_list_is_sorted_and_names_each_model_once() {
        let list: OpenAiList =
            serde_json::from_value(json!({"data": [{"id": "b"}, {"id": "a"}, {"id": "b"}]}))
                .unwrap();
        let ids: Vec<String> = sorted(list.data).into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["a", "b"]);
    }
}
