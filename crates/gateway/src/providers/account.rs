//! From a provider config to the client of the protocol that it speaks.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use lyceum_llm::anthropic::AnthropicClient;
use lyceum_llm::dify::DifyClient;
use lyceum_llm::gemini::GeminiClient;
use lyceum_llm::ollama::OllamaClient;
use lyceum_llm::openai::OpenAiClient;
use lyceum_llm::responses::ResponsesClient;
use lyceum_llm::{Endpoint, HttpSend, Lessons, ListedModel, LlmError, ModelKind, Server, Timeouts};
use serde_json::{Map, Value};
use url::Url;

use super::credentials::Credentials;
use super::headers;
use crate::models::Target;

/// Settings of a provider config that are members of each request about answers.
const REQUEST_SETTINGS: [&str; 3] = ["enable_thinking", "keep_alive", "thinking"];

/// An account at a provider. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Account {
    /// OpenAI's chat completions, which most providers speak.
    OpenAi(OpenAiClient),
    /// OpenAI's other API, with the first one's embeddings and list of models.
    Responses(ResponsesClient, OpenAiClient),
    Anthropic(AnthropicClient),
    Gemini(GeminiClient),
    Ollama(OllamaClient),
    Dify(DifyClient),
}

impl Account {
    /// The account of a provider config with these settings.
    pub(crate) fn new(
        provider: &str,
        http: Arc<dyn HttpSend>,
        base_url: Url,
        credentials: Credentials,
        config: Option<&Map<String, Value>>,
    ) -> Self {
        let settings = Settings(config);
        let endpoint = Endpoint::new(http, base_url.clone(), credentials.key);
        let mut endpoint = settings.headers(endpoint).with_timeouts(settings.timeouts());
        for (name, value) in credentials.headers {
            if let Some(value) = headers::sent(&value) {
                endpoint = endpoint.with_header(name, value);
            }
        }
        Self::at(provider, endpoint, &base_url, &settings)
    }

    fn at(provider: &str, endpoint: Endpoint, base_url: &Url, settings: &Settings<'_>) -> Self {
        let batch = settings.embedding_batch(provider);
        match provider {
            "anthropic" => Account::Anthropic(AnthropicClient::at(endpoint)),
            "gemini" => Account::Gemini(GeminiClient::at(endpoint).with_embedding_batch(batch)),
            // Below /v1 it speaks OpenAI's protocol, as the first configs were set up.
            "ollama" if !base_url.path().trim_end_matches('/').ends_with("/v1") => {
                Account::Ollama(OllamaClient::at(endpoint).with_embedding_batch(batch))
            }
            "dify" => Account::Dify(DifyClient::at(endpoint)),
            _ => {
                let client = OpenAiClient::at(endpoint.clone()).with_embedding_batch(batch);
                let client = client.with_server(Server::of(provider));
                match settings.text("api") {
                    Some("responses") => Account::Responses(ResponsesClient::at(endpoint), client),
                    _ => Account::OpenAi(client),
                }
            }
        }
    }

    /// The same account with what all of the server at `address` have learned of its models.
    pub(crate) fn learning(self, lessons: &Lessons, address: &str) -> Self {
        let lessons = lessons.at(address);
        match self {
            Account::OpenAi(client) => Account::OpenAi(client.with_lessons(lessons)),
            Account::Responses(client, other) => {
                Account::Responses(client.with_lessons(lessons), other)
            }
            other => other,
        }
    }

    /// How a model of this account is reached; `None` where the provider has no such models.
    pub(crate) fn target(&self, kind: ModelKind) -> Option<Target> {
        Some(match (kind, self.clone()) {
            (_, Account::OpenAi(client)) => Target::OpenAi(client),
            (ModelKind::Chat, Account::Responses(client, _)) => Target::Responses(client),
            (ModelKind::Embedding, Account::Responses(_, client)) => Target::OpenAi(client),
            (ModelKind::Chat, Account::Anthropic(client)) => Target::Anthropic(client),
            (ModelKind::Chat, Account::Gemini(client)) => Target::Chat(Arc::new(client)),
            (ModelKind::Embedding, Account::Gemini(client)) => Target::Embedding(Arc::new(client)),
            (ModelKind::Chat, Account::Ollama(client)) => Target::Chat(Arc::new(client)),
            (ModelKind::Embedding, Account::Ollama(client)) => Target::Embedding(Arc::new(client)),
            (ModelKind::Chat, Account::Dify(client)) => Target::Chat(Arc::new(client)),
            (ModelKind::Embedding, Account::Anthropic(_) | Account::Dify(_)) => return None,
        })
    }

    /// Whether there are servers of this protocol that list no models.
    pub(crate) fn may_list_none(&self) -> bool {
        !matches!(self, Account::Gemini(_) | Account::Ollama(_) | Account::Dify(_))
    }

    /// The models that the provider lists.
    pub(crate) async fn models(&self) -> Result<Vec<ListedModel>, LlmError> {
        match self {
            Account::OpenAi(client) | Account::Responses(_, client) => client.models().await,
            Account::Anthropic(client) => client.models().await,
            Account::Gemini(client) => client.models().await,
            Account::Ollama(client) => client.models().await,
            Account::Dify(client) => client.models().await,
        }
    }
}

/// Whether a provider has models that embed.
pub(crate) fn embeds(provider: &str) -> bool {
    !matches!(provider, "anthropic" | "dify")
}

/// Members that a provider config adds to each request about answers.
pub(crate) fn request_members(config: Option<&Map<String, Value>>) -> Map<String, Value> {
    let members = REQUEST_SETTINGS.iter().filter_map(|&name| {
        let value = config?.get(name)?;
        let value = match (name, value.as_str()) {
            ("thinking", Some("auto")) | (_, Some("")) => return None,
            ("thinking", Some(kind)) => serde_json::json!({ "type": kind }),
            _ => value.clone(),
        };
        Some((name.to_owned(), value))
    });
    members.collect()
}

/// The settings of a provider config; the catalogue's `config_schema` has judged them.
struct Settings<'a>(Option<&'a Map<String, Value>>);

impl Settings<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.0?.get(name)?.as_u64()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0?.get(name)?.as_str()
    }

    fn timeouts(&self) -> Timeouts {
        let usual = Timeouts::default();
        let seconds = |name| self.number(name).map(Duration::from_secs);
        let first_byte = seconds("first_byte_timeout_seconds");
        Timeouts {
            first_byte: first_byte.unwrap_or(usual.first_byte),
            idle: seconds("idle_timeout_seconds").unwrap_or(usual.idle),
            // An answer in one piece has a first byte, too: who limits that alone means both.
            answer: seconds("answer_timeout_seconds").or(first_byte).unwrap_or(usual.answer),
        }
    }

    fn embedding_batch(&self, provider: &str) -> usize {
        let usual = match provider {
            "qwen" => 10,
            "gemini" => 100,
            _ => 64,
        };
        let chosen = self.number("embedding_batch_size");
        chosen.and_then(|texts| usize::try_from(texts).ok()).unwrap_or(usual)
    }

    fn headers(&self, mut endpoint: Endpoint) -> Endpoint {
        for (setting, header) in [
            ("organization", "openai-organization"),
            ("project", "openai-project"),
            ("beta", "anthropic-beta"),
        ] {
            let value = self.text(setting).filter(|value| !value.is_empty());
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                endpoint = endpoint.with_header(HeaderName::from_static(header), value);
            }
        }
        endpoint
    }
}
