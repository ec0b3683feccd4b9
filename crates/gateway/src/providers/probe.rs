//! Trying a provider: does it answer, and with which models.

use std::time::Instant;

use futures::StreamExt as _;
use lyceum_core::Problem as _;
use lyceum_http::Caller;
use lyceum_llm::{ChatMessage, ChatRequest, LlmError, ModelKind, Role};
use lyceum_store::Sealed;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::account::Account;
use super::http::TestView;
use super::{SEALED_IN, store};
use crate::{CallContext, Gateway, GatewayError, Purpose};

/// A person waits for the result.
const PATIENCE: [(&str, u64); 2] =
    [("first_byte_timeout_seconds", 15), ("idle_timeout_seconds", 10)];

impl Gateway {
    /// Asks the provider for its models and says in words what came of it. Where it has no list of
    /// them, one of the models that were set up is asked for one token.
    pub(super) async fn test_provider(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<TestView, GatewayError> {
        let (provider, account) = self.account(caller, id).await?;
        let started = Instant::now();
        let outcome = match account.models().await {
            Ok(models) => Ok(listed(&provider, &models)),
            Err(LlmError::UnknownModel(_)) if account.may_list_none() => {
                self.ask_a_model(caller, id).await?
            }
            Err(error) => Err(error),
        };
        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let (ok, detail, code) = match outcome {
            Ok((detail, code)) => (true, detail, code),
            Err(LlmError::UnknownModel(_)) if !account.may_list_none() => {
                let detail = "Something answers, but it is not this provider's own API. Check \
                              the base URL.";
                (false, detail.to_owned(), Some("wrong_address"))
            }
            Err(error) => (false, words(&provider, &error), Some(error.code())),
        };
        Ok(TestView { ok, detail, code: code.map(str::to_owned), latency_ms })
    }

    /// The models that the provider lists.
    pub(super) async fn provider_models(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Vec<String>, GatewayError> {
        Ok(self.account(caller, id).await?.1.models().await?)
    }

    /// A real call, in the ledger as every other.
    async fn ask_a_model(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Result<(String, Option<&'static str>), LlmError>, GatewayError> {
        let catalogue = self.catalogue(caller.user_id).await?;
        let mut models = catalogue.models().iter();
        let model = models
            .find(|model| model.provider_config_id == Some(id) && model.kind == ModelKind::Chat);
        let Some(model) = model else {
            let detail = "It answers, but has no list of models at this address. Set up a model \
                          and test again: it is then asked for one token. If that fails, check \
                          the base URL; most end in /v1.";
            return Ok(Ok((detail.to_owned(), Some("no_model_list"))));
        };
        let mut request = ChatRequest::new("", vec![ChatMessage::text(Role::User, "Hi")]);
        request.max_tokens = Some(1);
        let context = CallContext::new(caller.user_id, Purpose::Test);
        let answer = async {
            let mut events = self.chat(context, model, request).await?;
            while let Some(event) = events.next().await {
                event?;
            }
            Ok(())
        };
        match answer.await {
            Ok(()) => {
                let detail = format!("It answers; the model {} was asked.", model.name);
                Ok(Ok((detail, None)))
            }
            Err(GatewayError::Llm(error)) => Ok(Err(error)),
            Err(other) => Err(other),
        }
    }

    async fn account(&self, caller: &Caller, id: Uuid) -> Result<(String, Account), GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let row = store::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await?;
        let key = match (row.encrypted_key, row.key_id) {
            (Some(bytes), Some(key_id)) => {
                Some(self.inner.keyring.open(SEALED_IN, id, &Sealed { key_id, bytes })?)
            }
            _ => None,
        };
        let url = Url::parse(&row.base_url)
            .map_err(|_| GatewayError::invalid("base_url", "is not an address"))?;
        let mut config = match row.config {
            Value::Object(config) => config,
            _ => Map::new(),
        };
        config.extend(PATIENCE.map(|(name, seconds)| (name.to_owned(), seconds.into())));
        let http = self.inner.http.clone();
        let account = Account::new(&row.provider, http, url, key, Some(&config));
        Ok((row.provider, account))
    }
}

fn listed(provider: &str, models: &[String]) -> (String, Option<&'static str>) {
    let detail = match (provider, models) {
        ("dify", [application]) => format!("It answers as the application {application}."),
        ("ollama", []) => "It answers, but has no model yet; pull one first.".to_owned(),
        (_, models) => format!("It answers and lists {} models.", models.len()),
    };
    (detail, None)
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
            "The key must be the APIPassword of the HTTP API, made for the very model that is used."
        }
        LlmError::Unauthorized(_) => "Check the key.",
        LlmError::UnknownModel(_) => {
            "Check the model's name, whether the account has it, and the base URL."
        }
        LlmError::Rejected(_) => "Check the settings and the model's name.",
        LlmError::Connect(_) if says(&["private network"]) => "",
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
            ("deepseek", limited("Insufficient Balance"), "balance is used up."),
            ("openai", limited("Rate limit reached"), "check the account's balance."),
            (
                "custom",
                LlmError::Connect("failed to lookup address information".into()),
                "the name service of this server.",
            ),
            ("custom", LlmError::Connect("Connection refused".into()), "whether it runs."),
            ("custom", LlmError::Tls("invalid peer certificate".into()), "a proxy is in between."),
            ("spark", LlmError::Unauthorized("no".into()), "the very model that is used."),
            ("dify", LlmError::Malformed("x".into()), "this provider's own API."),
        ] {
            let words = words(provider, &error);
            assert!(words.ends_with(end), "{words}");
        }
    }
}
