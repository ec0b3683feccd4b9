//! Trying a provider: does it answer, and with which models.

use std::time::{Duration, Instant};

use lyceum_core::Problem as _;
use lyceum_http::Caller;
use lyceum_llm::LlmError;
use lyceum_llm::openai::{OpenAiClient, Timeouts};
use lyceum_store::Sealed;
use url::Url;
use uuid::Uuid;

use super::http::TestView;
use super::{SEALED_IN, store};
use crate::models::client;
use crate::{Gateway, GatewayError};

/// A person waits for the result.
const PATIENCE: Timeouts =
    Timeouts { first_byte: Duration::from_secs(15), idle: Duration::from_secs(10) };

impl Gateway {
    /// Asks the provider for its models and says in words what came of it.
    pub(super) async fn test_provider(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<TestView, GatewayError> {
        let client = self.client(caller, id).await?;
        let started = Instant::now();
        let listed = client.models().await;
        let latency_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
        let (ok, detail, code) = match listed {
            Ok(models) => (true, format!("It answers and lists {} models.", models.len()), None),
            Err(LlmError::UnknownModel(_)) => {
                let detail = "It answers, but has no list of models at this address. If calls \
                              fail, check the base URL; most end in /v1.";
                (true, detail.to_owned(), Some("no_model_list"))
            }
            Err(error) => (false, words(&error), Some(error.code())),
        };
        Ok(TestView { ok, detail, code: code.map(str::to_owned), latency_ms })
    }

    /// The models that the provider lists.
    pub(super) async fn provider_models(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Vec<String>, GatewayError> {
        Ok(self.client(caller, id).await?.models().await?)
    }

    async fn client(&self, caller: &Caller, id: Uuid) -> Result<OpenAiClient, GatewayError> {
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
        let http = self.inner.http.clone();
        Ok(client(http, url, key, row.config.as_object()).with_timeouts(PATIENCE))
    }
}

/// What to do about it.
fn words(error: &LlmError) -> String {
    let advice = match error {
        LlmError::Unauthorized(_) => "Check the key.",
        LlmError::Connect(_) => "Check the base URL and whether the host can be reached.",
        LlmError::Timeout(_) => "The host may be wrong, down, or behind a firewall.",
        LlmError::RateLimited { .. } => "The key works; wait, or check the account's balance.",
        LlmError::Malformed(_) => "This may not be an OpenAI-compatible address.",
        LlmError::Provider { .. } => "The address is reached; the fault is on the provider's side.",
        _ => "",
    };
    let said = error.to_string();
    let mut letters = said.chars();
    let sentence: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{}. {advice}", sentence.trim_end_matches('.')).trim_end().to_owned()
}
