//! The kinds of providers, as the upstream plays them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

/// A kind of provider as it is set up, and what its protocol tells.
pub struct Kind {
    pub provider: &'static str,
    /// Below the upstream's address.
    pub path: &'static str,
    pub config: Value,
    /// Whether its counts tell of the cache and of reasoning.
    pub counts: (bool, bool),
    pub calls_tools: bool,
    /// Whether it names the model that serves.
    pub names_model: bool,
}

impl Kind {
    pub fn new(provider: &'static str, path: &'static str) -> Self {
        let config = json!({});
        Self { provider, path, config, counts: (true, true), calls_tools: true, names_model: true }
    }
}

pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::new("openai", "/v1"),
        Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") },
        Kind { counts: (true, false), ..Kind::new("anthropic", "") },
        Kind::new("gemini", ""),
        Kind { counts: (false, false), ..Kind::new("ollama", "") },
        Kind::new("ollama", "/v1"),
        Kind::new("deepseek", "/v1"),
        Kind { config: json!({"enable_thinking": true}), ..Kind::new("qwen", "/v1") },
        Kind { config: json!({"thinking": "enabled"}), ..Kind::new("doubao", "/v1") },
        Kind::new("spark", "/v1"),
        Kind {
            counts: (false, false),
            calls_tools: false,
            names_model: false,
            ..Kind::new("dify", "")
        },
    ]
}

impl World {
    /// A provider of this kind; its id.
    pub async fn at_kind(&self, kind: &Kind, name: &str) -> String {
        let address = format!("{}{}", self.upstream.origin, kind.path);
        self.provider_of("ada", kind.provider, name, &address, kind.config.clone()).await
    }

    /// A model of the upstream at a provider, under a name of its own.
    pub async fn model_at(&self, provider: &str, name: &str, model: &str) {
        let body = json!({"provider_config_id": provider, "name": name, "model": model,
            "kind": "chat", "options": {"inputs": {"model": model}}});
        let (status, view) = self.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
    }
}
