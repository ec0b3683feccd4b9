//! A program whose models are the mock upstream's, and somebody who calls them.

use lyceum_testkit::{MockUpstream, ServerProcess, Session, http_client};
use reqwest::RequestBuilder;
use serde_json::json;

/// Opens 127.0.0.1 for the mock upstream.
pub const SETTINGS: [(&str, &str); 1] =
    [("LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS", "[\"127.0.0.1\"]")];

/// US dollars per 1,000,000 tokens of the prompt and of the answer.
pub const PRICES: (u64, u64) = (3, 7);

/// Somewhere that answers chat completions.
#[derive(Clone)]
pub struct Target {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Target {
    /// The one below `base_url`, which ends in `/v1`.
    pub fn new(base_url: &str, key: &str) -> anyhow::Result<Self> {
        let (client, url) = (http_client()?, format!("{base_url}/chat/completions"));
        Ok(Self { client, url, key: key.to_owned() })
    }

    /// A question to a model.
    pub fn ask(&self, model: &str, question: &str, streamed: bool) -> RequestBuilder {
        let mut body = json!({ "model": model,
                               "messages": [{ "role": "user", "content": question }] });
        if streamed {
            body["stream"] = json!(true);
            body["stream_options"] = json!({ "include_usage": true });
        }
        self.client.post(&self.url).bearer_auth(&self.key).json(&body)
    }
}

/// Sets up an empty program with the upstream's models; answers the administrator and an API key.
pub async fn provision(
    server: &ServerProcess,
    upstream: &MockUpstream,
    models: &[&str],
) -> anyhow::Result<(Session, String)> {
    let admin = server.set_up().await?;
    let provider = json!({ "provider": "custom", "name": "mock", "scope": "personal",
                           "base_url": upstream.base_url, "api_key": "upstream" });
    let provider = admin.post("/api/v1/providers", provider).await?;
    for name in models {
        let model = json!({ "provider_config_id": provider["id"], "name": name, "model": name,
                            "kind": "chat", "input_price": PRICES.0.to_string(),
                            "output_price": PRICES.1.to_string() });
        admin.post("/api/v1/models", model).await?;
    }
    let key = admin.post("/api/v1/api-keys", json!({ "name": "load" })).await?;
    Ok((admin, key["key"].as_str().unwrap_or_default().to_owned()))
}
