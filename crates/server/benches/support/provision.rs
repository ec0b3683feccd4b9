//! A program whose models are the mock upstream's, and somebody who calls them.

use lyceum_testkit::{MockUpstream, ServerProcess, Session};
use serde_json::json;

/// Opens 127.0.0.1 for the mock upstream.
pub const SETTINGS: [(&str, &str); 1] =
    [("LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS", "[\"127.0.0.1\"]")];

/// US dollars per 1,000,000 tokens of the prompt and of the answer.
pub const PRICES: (u64, u64) = (3, 7);

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
