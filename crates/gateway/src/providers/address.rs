//! Where a provider's API begins, from what people paste.

use serde_json::{Map, Value};
use url::Url;

use super::store::ProviderRow;

/// Ends of addresses of single calls, as documentations show them.
const CALLS: [&str; 12] = [
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/models",
    "/messages",
    "/chat-messages",
    "/openai",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/tags",
];

/// The address without the end of a single call, and with the usual path where it has none.
pub(super) fn normalised(provider: &ProviderRow, mut url: Url) -> Url {
    let known = provider.name != "custom";
    let mut path = url.path().trim_end_matches('/').to_owned();
    if let Some(end) =
        CALLS.iter().find(|end| path.ends_with(*end) && (known || **end != "/openai"))
    {
        path.truncate(path.len() - end.len());
    }
    if path.is_empty()
        && let Some(usual) = provider.default_base_url.as_deref().and_then(|url| url.parse().ok())
    {
        let usual: Url = usual;
        path = usual.path().trim_end_matches('/').to_owned();
    }
    url.set_path(&path);
    url
}

/// The address of the region that a config names, from the catalogue's `config_schema`.
pub(super) fn of_region<'a>(
    provider: &'a ProviderRow,
    config: &Map<String, Value>,
) -> Option<&'a str> {
    let region = config.get("region")?.as_str()?;
    provider.config_schema.pointer("/properties/region/x-base-urls")?.get(region)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(name: &str, default_base_url: Option<&str>) -> ProviderRow {
        ProviderRow {
            name: name.to_owned(),
            display_name: name.to_owned(),
            default_base_url: default_base_url.map(str::to_owned),
            requires_api_key: true,
            config_schema: json!({"properties": {"region": {"x-base-urls": {"b": "https://b/v1"}}}}),
            is_active: true,
        }
    }

    #[test]
    fn what_people_paste_becomes_where_the_api_begins() {
        let openai = kind("openai", Some("https://api.openai.com/v1"));
        let gemini = kind("gemini", Some("https://generativelanguage.googleapis.com"));
        let custom = kind("custom", None);
        let ollama = kind("ollama", Some("http://localhost:11434"));
        for (provider, pasted, kept) in [
            (&openai, "https://api.openai.com", "https://api.openai.com/v1"),
            (&openai, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
            (&openai, "https://a.test/v1/chat/completions", "https://a.test/v1"),
            (&openai, "https://a.test/v1/responses/", "https://a.test/v1"),
            (
                &gemini,
                "https://generativelanguage.googleapis.com/v1beta/openai/",
                "https://generativelanguage.googleapis.com/v1beta",
            ),
            (&custom, "https://a.test", "https://a.test/"),
            (&custom, "https://a.test/openai", "https://a.test/openai"),
            (&custom, "https://a.test/v1/embeddings", "https://a.test/v1"),
            (&ollama, "http://localhost:11434/api/chat", "http://localhost:11434/"),
            (&ollama, "http://localhost:11434/v1", "http://localhost:11434/v1"),
        ] {
            let url = normalised(provider, Url::parse(pasted).unwrap());
            assert_eq!(url.as_str(), kept, "{pasted}");
        }
    }

    #[test]
    fn a_region_has_its_address() {
        let provider = kind("qwen", None);
        let config = |region: &str| json!({ "region": region }).as_object().cloned().unwrap();
        assert_eq!(of_region(&provider, &config("b")), Some("https://b/v1"));
        assert_eq!(of_region(&provider, &config("c")), None);
        assert_eq!(of_region(&provider, &Map::new()), None);
    }
}
