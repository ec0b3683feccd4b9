//! Who is asked where each question differs.

use lyceum_testkit::http_client;
use reqwest::RequestBuilder;
use serde_json::json;

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
