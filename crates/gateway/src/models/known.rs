//! What is known of the models that people use most: prices and sizes, as suggestions for whoever
//! enters them. Nothing is charged by this table; a call costs what was entered.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use chrono::NaiveDate;
use lyceum_http::{Allow, ApiError, ApiPath, ApiQuery, Caller, ProblemDocument};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::http::Kind;
use crate::{Gateway, GatewayError, ModelRead, providers};

/// One model a line. A name with a date at its end has a line of its own only where it costs something
/// else than the name without it, or where there is none without it.
const FILE: &str = include_str!("known.csv");

static TABLE: LazyLock<Vec<KnownModel>> = LazyLock::new(|| {
    let lines = csv::Reader::from_reader(FILE.as_bytes());
    // That each can be read is tested below.
    lines.into_deserialize().filter_map(Result::ok).collect()
});

/// Who charges by the lists of the table at which host.
static SELLERS: [(&str, &str); 10] = [
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("api.deepseek.com", "deepseek"),
    ("dashscope-intl.aliyuncs.com", "qwen"),
    ("ark.cn-beijing.volces.com", "doubao"),
    ("api.mistral.ai", "mistral"),
    ("api.groq.com", "groq"),
    ("api.x.ai", "xai"),
    ("api.moonshot.ai", "moonshot"),
];

/// What is known of a model: a suggestion, which counts for nothing before it is entered. Prices are US
/// dollars per 1,000,000 tokens; absent ones are unknown.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KnownModel {
    /// Whose list it is from: a kind of provider, or `groq`, `mistral`, `moonshot`, `xai`.
    provider: String,
    /// The model's name there; one with a date behind it is meant as well.
    model: String,
    kind: Kind,
    /// The day of the list.
    as_of: NaiveDate,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_input_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_price: Option<Decimal>,
    /// The longest prompt, in tokens, that costs so; the provider charges more for longer ones, which
    /// can be entered as tiers. Absent where all cost the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    prices_up_to: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<i32>,
    /// The most tokens of an answer; absent where that is the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<i32>,
}

impl KnownModel {
    /// What is known of a provider's model by this name.
    pub(crate) fn find(provider: &str, base_url: &str, model: &str) -> Option<&'static Self> {
        let seller = seller(provider, base_url)?;
        // Gemini's longer form.
        let name = model.strip_prefix("models/").unwrap_or(model);
        Self::named(seller, name).or_else(|| Self::named(seller, undated(name)?))
    }

    fn named(seller: &str, name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|known| known.model == name && known.provider == seller)
    }
}

/// Whose prices hold at an address. What is in front of a provider is taken for it, unless the prices
/// depend on the address.
fn seller(provider: &str, base_url: &str) -> Option<&'static str> {
    let url = Url::parse(base_url).ok()?;
    let host = url.host_str()?;
    let of_host = SELLERS.iter().find(|(known, _)| *known == host);
    let of_kind = SELLERS.iter().find(|(_, seller)| {
        *seller == provider && matches!(provider, "openai" | "anthropic" | "gemini" | "deepseek")
    });
    of_host.or(of_kind).map(|(_, seller)| *seller)
}

/// A name without the date at its end: `-0731`, `-260628`, `-20250929` or `-2024-08-06`.
fn undated(name: &str) -> Option<&str> {
    let digits = |text: &str, lengths: &[usize]| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (rest, last) = name.rsplit_once('-')?;
    if digits(last, &[4, 6, 8]) {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(year, &[4]) && digits(month, &[2]) && digits(last, &[2])).then_some(rest)
}

/// Models that are known of a provider.
#[derive(Serialize, ToSchema)]
pub(super) struct KnownModels {
    items: Vec<KnownModel>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KnownQuery {
    /// The provider's own name of a model; all that are known where absent.
    model: Option<String>,
}

/// Tells what models of a provider cost and how much they take, as far as a table knows that comes with
/// the program. With `model` there is one item or none. These are suggestions: nothing of them holds
/// before it is entered at a model. The provider is told by its address, else by its kind; it is not
/// asked.
#[utoipa::path(get, path = "/providers/{id}/known-models", tag = "models",
    params(("id" = Uuid, Path, description = "The provider's id"), KnownQuery),
    responses((status = 200, body = KnownModels), (status = 404, body = ProblemDocument)))]
pub(super) async fn list_known_models(
    State(gateway): State<Gateway>,
    allow: Allow<ModelRead>,
    ApiPath(id): ApiPath<Uuid>,
    ApiQuery(query): ApiQuery<KnownQuery>,
) -> Result<Json<KnownModels>, ApiError> {
    let items = gateway.known_models(&allow.caller, id, query.model.as_deref()).await?;
    Ok(Json(KnownModels { items }))
}

impl Gateway {
    async fn known_models(
        &self,
        caller: &Caller,
        id: Uuid,
        model: Option<&str>,
    ) -> Result<Vec<KnownModel>, GatewayError> {
        let mut tx = self.inner.db.begin_as(caller.user_id).await?;
        let config = providers::find(&mut tx, caller.user_id, id).await?;
        tx.commit().await?;
        let (provider, base_url) = (config.provider.as_str(), config.base_url.as_str());
        if let Some(model) = model {
            return Ok(KnownModel::find(provider, base_url, model).cloned().into_iter().collect());
        }
        let seller = seller(provider, base_url);
        let known = TABLE.iter().filter(|known| seller == Some(known.provider.as_str()));
        Ok(known.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const OPENAI: &str = "https://api.openai.com/v1";

    fn name_of(provider: &str, base_url: &str, model: &str) -> Option<&'static str> {
        KnownModel::find(provider, base_url, model).map(|known| known.model.as_str())
    }

    #[test]
    fn each_line_can_be_read_once_and_has_prices_for_its_kind() {
        assert_eq!(TABLE.len(), FILE.lines().count() - 1);
        let mut names = HashSet::new();
        for known in TABLE.iter() {
            assert!(names.insert((&known.provider, &known.model)), "{known:?} is there twice");
            assert_eq!(known.as_of, TABLE[0].as_of, "{known:?} is of another day");
            assert!(SELLERS.iter().any(|(_, seller)| *seller == known.provider), "{known:?}");
            let (input, output) = (known.input_price, known.output_price);
            let prices = [
                input,
                known.cached_input_price,
                known.cache_write_price,
                output,
                known.embedding_price,
            ];
            assert!(prices.iter().flatten().all(|price| *price > Decimal::ZERO), "{known:?}");
            let sizes = [known.prices_up_to, known.context_length, known.max_output_tokens];
            assert!(sizes.iter().flatten().all(|tokens| *tokens > 0), "{known:?}");
            match known.kind {
                Kind::Chat => assert!(input.is_some() && output >= input, "{known:?}"),
                Kind::Embedding => assert_eq!(prices.iter().flatten().count(), 1, "{known:?}"),
            }
            assert_eq!(known.embedding_price.is_some(), known.kind == Kind::Embedding, "{known:?}");
            // What is read from a cache is cheaper than what is not.
            assert!(known.cached_input_price.is_none_or(|price| Some(price) < input), "{known:?}");
            assert!(known.prices_up_to < known.context_length, "{known:?}");
        }
    }

    #[test]
    fn a_model_is_known_by_its_name_with_and_without_a_date() {
        for (name, known) in [
            ("gpt-4o", Some("gpt-4o")),
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("gpt-4o-2024-05-13", Some("gpt-4o-2024-05-13")),
            ("gpt-5-mini-2025-08-07", Some("gpt-5-mini")),
            ("gpt-4o-audio-preview", None),
            ("gpt-4o-24", None),
            ("gpt-4o-2024-08", None),
            ("ft:gpt-4o-2024-08-06:me::1", None),
            ("-2024-08-06", None),
            ("2024", None),
            ("", None),
        ] {
            assert_eq!(name_of("openai", OPENAI, name), known, "{name}");
        }
        let claude = "https://api.anthropic.com";
        let dated = name_of("anthropic", claude, "claude-sonnet-4-5-20250929");
        assert_eq!(dated, Some("claude-sonnet-4-5"));
        let gemini = "https://generativelanguage.googleapis.com";
        assert_eq!(name_of("gemini", gemini, "models/gemini-2.5-pro"), Some("gemini-2.5-pro"));
    }

    #[test]
    fn whose_prices_they_are_is_told_by_the_address_before_the_kind() {
        for (provider, base_url, expected) in [
            ("openai", OPENAI, Some("openai")),
            ("openai", "https://relay.test/v1", Some("openai")),
            ("openai", "https://api.deepseek.com/v1", Some("deepseek")),
            ("custom", "https://api.mistral.ai/v1", Some("mistral")),
            ("custom", "https://api.groq.com/openai/v1", Some("groq")),
            ("custom", "https://relay.test/v1", None),
            ("custom", "https://api.mistral.ai.test/v1", None),
            // In Beijing they are charged in yuan, and are others.
            ("qwen", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Some("qwen")),
            ("qwen", "https://dashscope.aliyuncs.com/compatible-mode/v1", None),
            ("ollama", "http://localhost:11434", None),
            ("openai", "no address", None),
        ] {
            assert_eq!(seller(provider, base_url), expected, "{provider} at {base_url}");
        }
    }

    #[test]
    fn what_the_same_model_costs_differs_by_who_sells_it() {
        let at = |base_url| KnownModel::find("custom", base_url, "deepseek-v4-flash").unwrap();
        let own = at("https://api.deepseek.com");
        let other = at("https://dashscope-intl.aliyuncs.com/compatible-mode/v1");
        assert_ne!(own.input_price, other.input_price);
    }
}
