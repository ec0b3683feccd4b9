use std::time::Duration;

use lyceum_core::{ErrorKind, Problem};
use lyceum_http::OutgoingError;
use lyceum_llm::{LlmError, ModelKind};
use lyceum_store::{CryptoError, StoreError};
use serde_json::{Map, Value, json};

use crate::quotas::whose_quota;
use crate::{QuotaRefusal, RateRefusal};

/// What can go wrong with providers, models and calls.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// There is no such object for this caller.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// No model of this name can be used by the caller.
    #[error("no model named {requested}")]
    UnknownModel {
        /// The name asked for.
        requested: String,
        /// The names that would do.
        available: Vec<String>,
    },
    /// The caller's API key is limited to other models.
    #[error("the API key may not call {requested}")]
    ModelNotAllowed {
        /// The name asked for.
        requested: String,
        /// The names that the key is limited to.
        allowed: Vec<String>,
    },
    /// The model is for something else.
    #[error("{model} is not a {wanted:?} model")]
    WrongKind {
        /// The model's name.
        model: String,
        /// What was wanted.
        wanted: ModelKind,
    },
    /// Nobody chose a model and none is built in.
    #[error("no {0:?} model is available")]
    NoModel(ModelKind),
    /// Every target of a route rests after failures.
    #[error("all targets of the route {route} are cooling down")]
    RouteCooling {
        /// The route's name.
        route: String,
        /// When the first of them is tried again.
        retry_after: Duration,
    },
    /// No target of a route takes what the request brings.
    #[error("no target of the route {0} takes the request's tools or images")]
    RouteIncapable(String),
    /// A built-in model whose file is missing, by its name in the catalogue.
    #[error("the model {0} is not installed")]
    NotInstalled(String),
    /// The provider did not answer.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The call could not be written to the ledger, so its answer is withheld.
    #[error("the ledger cannot be written")]
    Ledger {
        /// Whether because the disk is full.
        storage_full: bool,
    },
    /// A rate limit is used up.
    #[error("a rate limit is reached")]
    Limited {
        /// When the next one is let through.
        retry_after: Duration,
        /// Which one.
        rate: Box<RateRefusal>,
    },
    /// A quota does not cover the call.
    #[error("a quota is exceeded")]
    QuotaExceeded(Box<QuotaRefusal>),
    /// A quota limits costs, and nobody entered what the model costs.
    #[error("a quota limits costs, and the price of {model} is unknown")]
    PriceUnknown {
        /// The model's name.
        model: String,
        /// Whose quota: `user`, `group` or `api_key`.
        scope: String,
    },
    /// A field's value is not acceptable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: String,
        /// Why not.
        reason: String,
    },
    /// A provider has no list of its models.
    #[error("the provider lists no models")]
    NoModelList,
    /// Of several models to be added these are refused, each for its reason.
    #[error("{} models are refused", .0.len())]
    ModelsRefused(Vec<(String, GatewayError)>),
    /// Another provider or model of the same owner has the name.
    #[error("the name is taken")]
    NameTaken,
    /// Only the organisation's providers are distributed.
    #[error("a personal provider is not distributed")]
    PersonalProvider,
    /// The base URL may not be reached.
    #[error(transparent)]
    Address(#[from] OutgoingError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be sealed or opened.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl From<sqlx::Error> for GatewayError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl GatewayError {
    /// An unacceptable value of a field.
    pub(crate) fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), reason: reason.into() }
    }
}

fn name(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Chat => "chat",
        ModelKind::Embedding => "embedding",
    }
}

/// The first of the models that are refused, with the reasons.
fn refusals(refused: &[(String, GatewayError)]) -> String {
    const TOLD: usize = 5;
    let told = refused.iter().take(TOLD).map(|(model, why)| format!("'{model}': {}", why.detail()));
    let told = told.collect::<Vec<_>>().join(" ");
    match refused.len().saturating_sub(TOLD) {
        0 => format!("Nothing was added. {told}"),
        more => format!("Nothing was added. {told} And {more} more."),
    }
}

impl Problem for GatewayError {
    fn kind(&self) -> ErrorKind {
        match self {
            GatewayError::NotFound(_) | GatewayError::UnknownModel { .. } => ErrorKind::NotFound,
            GatewayError::WrongKind { .. } | GatewayError::RouteIncapable(_) => {
                ErrorKind::BadRequest
            }
            GatewayError::RouteCooling { .. }
            | GatewayError::NoModel(_)
            | GatewayError::NotInstalled(_) => ErrorKind::Unavailable,
            GatewayError::Llm(error) => error.kind(),
            GatewayError::Ledger { storage_full: true } => ErrorKind::StorageFull,
            GatewayError::Ledger { storage_full: false } => ErrorKind::Unavailable,
            GatewayError::Limited { .. } | GatewayError::QuotaExceeded(_) => {
                ErrorKind::TooManyRequests
            }
            GatewayError::ModelNotAllowed { .. } | GatewayError::PriceUnknown { .. } => {
                ErrorKind::Forbidden
            }
            GatewayError::Invalid { .. } | GatewayError::ModelsRefused(_) => ErrorKind::Invalid,
            GatewayError::NoModelList => ErrorKind::Upstream,
            GatewayError::NameTaken | GatewayError::PersonalProvider => ErrorKind::Conflict,
            GatewayError::Address(error) => error.kind(),
            GatewayError::Store(error) => error.kind(),
            GatewayError::Crypto(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            GatewayError::NotFound(_) => "not_found",
            GatewayError::UnknownModel { .. } => "model_not_found",
            GatewayError::ModelNotAllowed { .. } => "model_not_allowed",
            GatewayError::WrongKind { .. } => "wrong_model_kind",
            GatewayError::NoModel(_) => "no_model",
            GatewayError::RouteCooling { .. } => "route_cooling",
            GatewayError::RouteIncapable(_) => "route_incapable",
            GatewayError::NotInstalled(_) => "model_not_installed",
            GatewayError::Llm(error) => error.code(),
            GatewayError::Ledger { .. } => "ledger_unavailable",
            GatewayError::Limited { .. } => "rate_limited",
            GatewayError::QuotaExceeded(_) => "quota_exceeded",
            GatewayError::PriceUnknown { .. } => "price_unknown",
            GatewayError::Invalid { .. } => "invalid_field",
            GatewayError::NoModelList => "no_model_list",
            GatewayError::ModelsRefused(_) => "models_refused",
            GatewayError::NameTaken => "name_taken",
            GatewayError::PersonalProvider => "personal_provider",
            GatewayError::Address(error) => error.code(),
            GatewayError::Store(error) => error.code(),
            GatewayError::Crypto(CryptoError::UnknownKey(_)) => "secret_key_missing",
            GatewayError::Crypto(_) => "internal",
        }
    }

    fn detail(&self) -> String {
        match self {
            GatewayError::NotFound(what) => format!("There is no such {what}."),
            GatewayError::UnknownModel { requested, available } if available.is_empty() => {
                format!("There is no model '{requested}'; none is available to you.")
            }
            GatewayError::UnknownModel { requested, available } => {
                format!("There is no model '{requested}'. Available: {}.", available.join(", "))
            }
            GatewayError::ModelNotAllowed { requested, allowed } => format!(
                "This API key may not call '{requested}': it is limited to {}. Name one of these, \
                 or have the key's owner add the model.",
                allowed.join(", "),
            ),
            GatewayError::WrongKind { model, wanted } => {
                format!("'{model}' is not a model for {}.", name(*wanted))
            }
            GatewayError::NoModel(kind) => {
                format!("No {} model is available; add a provider or install one.", name(*kind))
            }
            GatewayError::RouteCooling { route, .. } => format!(
                "All models behind '{route}' failed too often and are left alone for a while; try \
                 again soon."
            ),
            GatewayError::RouteIncapable(route) => {
                format!("No model behind '{route}' takes the tools or the images of this request.")
            }
            GatewayError::NotInstalled(model) => format!(
                "The file of the built-in model '{model}' is not installed. Whoever runs the server \
                 fetches it by script/fetch.py, with 'models {model}', or brings it in by 'lyceum models \
                 import', and then starts the program again."
            ),
            GatewayError::Llm(error) => error.detail(),
            GatewayError::Ledger { storage_full: true } => {
                "The disk is full, so the call cannot be recorded; it was ended.".to_owned()
            }
            GatewayError::Ledger { storage_full: false } => {
                "The call cannot be recorded at the moment; it was ended. Try again soon."
                    .to_owned()
            }
            GatewayError::Limited { rate, .. } => rate.detail(),
            GatewayError::QuotaExceeded(refusal) => refusal.detail(),
            GatewayError::PriceUnknown { model, scope } => format!(
                "{} limits costs, and the price of '{model}' is unknown. Choose another model, or \
                 have its price entered: by its owner, or by an administrator where it is the \
                 organisation's.",
                whose_quota(scope),
            ),
            GatewayError::Invalid { field, reason } => format!("{field}: {reason}"),
            GatewayError::NoModelList => {
                "This provider has no list of models at this address. Add its models by their \
                 names, and check the base URL if they do not answer."
                    .to_owned()
            }
            GatewayError::ModelsRefused(refused) => refusals(refused),
            GatewayError::NameTaken => "The name is in use; choose another.".to_owned(),
            GatewayError::PersonalProvider => {
                "This provider is personal; only the organisation's are distributed.".to_owned()
            }
            GatewayError::Address(error) => error.detail(),
            GatewayError::Store(error) => error.detail(),
            GatewayError::Crypto(CryptoError::UnknownKey(_)) => {
                "The key file no longer holds the key that sealed this secret; enter it again."
                    .to_owned()
            }
            GatewayError::Crypto(_) => {
                "Something went wrong on our side; the log has the cause.".to_owned()
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            GatewayError::Llm(error) => error.retry_after(),
            GatewayError::Limited { retry_after, .. }
            | GatewayError::RouteCooling { retry_after, .. } => Some(*retry_after),
            GatewayError::QuotaExceeded(refusal) => Some(refusal.retry_after()),
            GatewayError::Ledger { .. } => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        let mut members = Map::new();
        match self {
            GatewayError::Invalid { field, .. } => {
                members.insert("field".to_owned(), field.clone().into());
            }
            GatewayError::ModelNotAllowed { allowed, .. } => {
                members.insert("models".to_owned(), allowed.clone().into());
            }
            GatewayError::ModelsRefused(refused) => {
                let each = refused.iter().map(|(model, why)| {
                    json!({ "model": model, "code": why.code(), "detail": why.detail() })
                });
                members.insert("refused".to_owned(), each.collect());
            }
            GatewayError::Limited { rate, .. } => {
                let (scope, unit) = rate.names();
                members.insert("scope".to_owned(), scope.into());
                members.insert("resource".to_owned(), unit.into());
                members.insert("per_minute".to_owned(), rate.per_minute.into());
            }
            GatewayError::QuotaExceeded(refusal) => members = refusal.extensions(),
            GatewayError::PriceUnknown { model, scope } => {
                members.insert("scope".to_owned(), scope.clone().into());
                members.insert("resource".to_owned(), "cost".into());
                members.insert("model".to_owned(), model.clone().into());
            }
            _ => {}
        }
        members
    }
}
