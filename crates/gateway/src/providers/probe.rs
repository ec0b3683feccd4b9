//! Trying a provider: does it answer, with which models, and would it answer a question.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lyceum_core::Problem as _;
use lyceum_http::Caller;
use lyceum_llm::{ChatMessage, ChatRequest, LlmError, ModelKind, Role};
use url::Url;
use uuid::Uuid;

use super::account::Account;
use super::http::TestView;
use super::store::{self, ConfigRow};
use crate::models::Target;
use crate::{CallContext, Gateway, GatewayError, ModelConfig, Purpose};

/// A person waits for the result.
const PATIENCE: [(&str, u64); 3] = [
    ("first_byte_timeout_seconds", 15),
    ("idle_timeout_seconds", 10),
    ("answer_timeout_seconds", 15),
];
/// The same for the answer of a model, which has the patience of its own calls otherwise.
const ANSWER: Duration = Duration::from_secs(20);

/// How the proxy is called in what is said of its failures.
const PROXY: &str = "(outgoing.proxy)";

/// What a test found.
struct Found {
    ok: bool,
    detail: String,
    code: Option<&'static str>,
}

impl Found {
    fn good(detail: String) -> Self {
        Self { ok: true, detail, code: None }
    }

    fn bad(provider: &str, error: &LlmError) -> Self {
        let code = match error {
            // The base URL is not to blame, nor the provider.
            LlmError::Connect(reason) if reason.contains(PROXY) => "proxy_failed",
            _ => error.code(),
        };
        Self { ok: false, detail: words(provider, error), code: Some(code) }
    }
}

/// What came of asking a model, by its name.
enum Asked {
    /// None is set up.
    Nobody,
    Answered(String),
    Failed(String, LlmError),
}

impl Gateway {
    /// Asks the provider for its models and says in words what came of it. A list says nothing of a
    /// plan or of credit, and some providers have none: so one of the models that were set up is
    /// asked for one token.
    pub(super) async fn test_provider(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<TestView, GatewayError> {
        let (ConfigRow { provider, .. }, account) = self.account(caller, id).await?;
        let started = Instant::now();
        let models: Result<Vec<String>, LlmError> =
            account.models().await.map(|models| models.into_iter().map(|model| model.id).collect());
        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let found = match models {
            Ok(models) => {
                let list = listed(&provider, &models);
                let asked = match charges(&provider) {
                    true => self.ask_a_model(caller, id, &models).await,
                    false => Ok(Asked::Nobody),
                };
                match asked {
                    // Our own limits say nothing of the provider.
                    Err(
                        GatewayError::Limited { .. }
                        | GatewayError::QuotaExceeded(_)
                        | GatewayError::PriceUnknown { .. },
                    ) => Found::good(list),
                    asked => asked?.beside(list, &provider),
                }
            }
            Err(LlmError::UnknownModel(_)) if account.may_list_none() => {
                self.ask_a_model(caller, id, &[]).await?.without_list(&provider)
            }
            Err(LlmError::UnknownModel(_)) => {
                let detail = "Something answers, but it is not this provider's own API. Check \
                              the base URL.";
                Found { ok: false, detail: detail.to_owned(), code: Some("wrong_address") }
            }
            Err(error) => Found::bad(&provider, &error),
        };
        let Found { ok, detail, code } = found;
        Ok(TestView { ok, detail, code: code.map(str::to_owned), latency_ms })
    }

    /// A real call, in the ledger as every other: of a model that is `listed`, if there is one.
    async fn ask_a_model(
        &self,
        caller: &Caller,
        id: Uuid,
        listed: &[String],
    ) -> Result<Asked, GatewayError> {
        let catalogue = self.catalogue(caller.user_id).await?;
        let of_provider = |model: &&ModelConfig| {
            model.provider_config_id == Some(id)
                && model.kind == ModelKind::Chat
                && caller.models.allows(&model.name)
        };
        let mut models = catalogue.models().iter().filter(of_provider);
        let known = models.clone().find(|model| listed.contains(&model.model));
        let Some(model) = known.or_else(|| models.next()) else { return Ok(Asked::Nobody) };
        let mut request = ChatRequest::new("", vec![ChatMessage::text(Role::User, "Hi")]);
        request.max_tokens = Some(match model.target {
            // It takes no smaller limit.
            Target::Responses(_) => 16,
            _ => 1,
        });
        let context = CallContext::new(caller.user_id, Purpose::Test);
        let answer = async {
            let mut events = self.chat(context, model, request).await?;
            while let Some(event) = events.next().await {
                event?;
            }
            Ok(())
        };
        let answer = tokio::time::timeout(ANSWER, answer).await;
        match answer.unwrap_or(Err(GatewayError::Llm(LlmError::Timeout(ANSWER)))) {
            Ok(()) => Ok(Asked::Answered(model.name.clone())),
            Err(GatewayError::Llm(error)) => Ok(Asked::Failed(model.name.clone(), error)),
            Err(other) => Err(other),
        }
    }

    /// A provider, and what asks it while a person waits.
    pub(super) async fn account(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<(ConfigRow, Account), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = store::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await?;
        let credentials = row.credentials(&self.inner.keyring)?;
        let url = Url::parse(&row.base_url)
            .map_err(|_| GatewayError::invalid("base_url", "is not an address"))?;
        let mut config = row.config.as_object().cloned().unwrap_or_default();
        config.extend(PATIENCE.map(|(name, seconds)| (name.to_owned(), seconds.into())));
        let http = self.inner.http.clone();
        let account = Account::new(&row.provider, http, url, credentials, Some(&config));
        Ok((row, account))
    }
}

impl Asked {
    /// What is found where the provider's list was had before.
    fn beside(self, list: String, provider: &str) -> Found {
        match self {
            Asked::Nobody => Found::good(list),
            Asked::Answered(model) => {
                Found::good(format!("{list} The model {model} was asked for one token."))
            }
            // Slow or busy is no fault of the account, whose list has just come.
            Asked::Failed(model, LlmError::Timeout(_) | LlmError::RateLimited { .. }) => {
                Found::good(format!("{list} The model {model} had no time to answer a call."))
            }
            // Some that think want room for more than one token; that says nothing of the account.
            Asked::Failed(_, LlmError::Rejected(words)) if is_about_the_limit(&words) => {
                Found::good(list)
            }
            Asked::Failed(model, error) => {
                let Found { detail, code, .. } = Found::bad(provider, &error);
                let detail = format!("{detail} The model {model} was asked for one token.");
                Found { ok: false, detail, code }
            }
        }
    }

    /// What is found where the provider has no list.
    fn without_list(self, provider: &str) -> Found {
        match self {
            Asked::Nobody => {
                let detail = "It answers, but has no list of models at this address. Set up a \
                              model and test again: it is then asked for one token. If that \
                              fails, check the base URL; most end in /v1.";
                Found { ok: true, detail: detail.to_owned(), code: Some("no_model_list") }
            }
            Asked::Answered(model) => {
                Found::good(format!("It answers; the model {model} was asked for one token."))
            }
            Asked::Failed(_, error) => Found::bad(provider, &error),
        }
    }
}

/// Whether answers cost something there, so that it may refuse to give one. An application of Dify's
/// would do all its work for the smallest question.
fn charges(provider: &str) -> bool {
    !matches!(provider, "dify" | "ollama")
}

/// Whether a request was refused for the number of tokens that it wants.
fn is_about_the_limit(words: &str) -> bool {
    let names = ["max_tokens", "max_completion_tokens", "max_output_tokens", "output limit"];
    names.iter().any(|name| words.contains(name))
}

fn listed(provider: &str, models: &[String]) -> String {
    match (provider, models) {
        ("dify", [application]) => format!("It answers as the application {application}."),
        ("ollama", []) => "It answers, but has no model yet; pull one first.".to_owned(),
        (_, models) => format!("It answers and lists {} models.", models.len()),
    }
}

/// What is wrong and what to do about it.
fn words(provider: &str, error: &LlmError) -> String {
    let said = error.to_string();
    let mut letters = said.chars();
    let sentence: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let advice = advice(provider, error, &said.to_lowercase());
    format!("{}. {advice}", sentence.trim_end_matches('.')).trim_end().to_owned()
}

fn advice(provider: &str, error: &LlmError, said: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let abroad = ["country", "territory", "region", "location is not supported"];
    match error {
        LlmError::Unauthorized(_) | LlmError::Rejected(_) if says(&abroad) => {
            "The provider does not serve the region that this server is in, or the key belongs to \
             another region."
        }
        LlmError::Unauthorized(_) if provider == "qwen" => {
            "Check the key, and that it was made in the region that is chosen: each has its own."
        }
        LlmError::Unauthorized(_) if provider == "spark" => {
            "The key must be the APIPassword of the HTTP API, made for the very model that is used, \
             and its plan must not be used up."
        }
        LlmError::Unauthorized(_) => "Check the key.",
        LlmError::NoCredit(_) => "The key works; pay in there, or choose another plan.",
        LlmError::UnknownModel(_) => {
            "Check the model's name, whether the account has it, and the base URL."
        }
        LlmError::Rejected(_) => "Check the settings and the model's name.",
        LlmError::Connect(_) if says(&["private network"]) => "",
        LlmError::Connect(_) if says(&["(outgoing.proxy) refused"]) => {
            "Check the base URL's host, and whether the proxy lets this server through to it."
        }
        LlmError::Connect(_) if says(&[PROXY]) => {
            "Whoever runs Lyceum should check the setting, and whether the proxy runs."
        }
        LlmError::Connect(_) if says(&["lookup", "dns", "name or service"]) => {
            "The host's name is not known: check the base URL, and the name service of this server."
        }
        LlmError::Connect(_) if says(&["refused"]) => {
            "Nothing listens there: check the base URL's host and port, and whether it runs."
        }
        LlmError::Connect(_) => "Check the base URL and whether the host can be reached.",
        LlmError::Tls(_) => {
            "The host is reached, but its certificate or its TLS is not accepted: check https or \
             http in the base URL, the host's name, and whether a proxy is in between."
        }
        LlmError::Timeout(_) => "The host may be wrong, down, or behind a firewall.",
        LlmError::RateLimited { .. }
            if says(&[
                "quota", "balance", "billing", "credit", "plan", "arrear", "余额", "欠费",
            ]) =>
        {
            "The key works, but the account's plan, quota or balance is used up."
        }
        LlmError::RateLimited { .. } => "The key works; wait, or check the account's balance.",
        LlmError::Malformed(_) => match provider {
            "anthropic" | "gemini" | "dify" | "ollama" => {
                "This may not be the address of this provider's own API."
            }
            _ => "This may not be an OpenAI-compatible address.",
        },
        LlmError::Provider { .. } => "The address is reached; the fault is on the provider's side.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_advice() {
        let limited = |message: &str| LlmError::RateLimited {
            message: message.to_owned(),
            retry_after: None,
        };
        for (provider, error, end) in [
            ("openai", LlmError::Unauthorized("bad key".into()), "Check the key."),
            ("qwen", LlmError::Unauthorized("Incorrect API key".into()), "each has its own."),
            (
                "gemini",
                LlmError::Rejected("User location is not supported for the API use.".into()),
                "belongs to another region.",
            ),
            (
                "openai",
                LlmError::Unauthorized("Country, region, or territory not supported".into()),
                "belongs to another region.",
            ),
            ("openai", limited("You exceeded your current quota"), "balance is used up."),
            ("openai", limited("Rate limit reached"), "check the account's balance."),
            (
                "custom",
                LlmError::Connect("failed to lookup address information".into()),
                "the name service of this server.",
            ),
            ("custom", LlmError::Connect("Connection refused".into()), "whether it runs."),
            (
                "custom",
                LlmError::Connect("the proxy (outgoing.proxy) refused: no".into()),
                "through to it.",
            ),
            (
                "custom",
                LlmError::Connect(
                    "the proxy (outgoing.proxy) cannot be reached: Connection refused".into(),
                ),
                "whether the proxy runs.",
            ),
            ("custom", LlmError::Tls("invalid peer certificate".into()), "a proxy is in between."),
            ("spark", LlmError::Unauthorized("no".into()), "must not be used up."),
            ("qwen", LlmError::NoCredit("Access denied".into()), "choose another plan."),
            ("dify", LlmError::Malformed("x".into()), "this provider's own API."),
        ] {
            let words = words(provider, &error);
            assert!(words.ends_with(end), "{words}");
        }
    }
}
