//! What a provider offers, and what is known of it before it is added.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use lyceum_http::{Allow, ApiError, ApiPath, Caller, ProblemDocument};
use lyceum_llm::{ListedTask, LlmError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::store::{self, ConfigRow};
use crate::models::{Kind, KnownModel, Present};
use crate::{Gateway, GatewayError, ProviderRead};

/// The most characters of a model's name.
const NAME: usize = 100;
/// Words in the names of models that embed, where the name does not say "embed".
const EMBEDDERS: [&str; 7] = ["bce", "bge", "e5", "gte", "m3e", "minilm", "voyage"];
/// Words in the names of models that neither answer nor embed.
const OTHERS: [&str; 17] = [
    "asr",
    "dall",
    "diffusion",
    "image",
    "imagen",
    "moderation",
    "ocr",
    "realtime",
    "rerank",
    "reranker",
    "sora",
    "speech",
    "stt",
    "transcribe",
    "tts",
    "veo",
    "whisper",
];

/// A model that a provider lists.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ListedModel {
    /// The provider's own name of the model.
    id: String,
    /// A name for it here that is free, also of the other models of the list: the provider's, or that
    /// with the name of the provider and, where that is not free either, a number behind it.
    name: String,
    /// What it is for, as the provider says, else as its name tells. Absent where it seems to be
    /// neither for answers nor for vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// Where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<i32>,
    /// Whether it is among the models here already.
    added: bool,
    /// What it costs and takes, to be entered with it: a suggestion. Absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<KnownModel>,
}

/// The models that a provider lists.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct ListedModels {
    items: Vec<ListedModel>,
}

/// Asks the provider which models it has. They can be called once `POST` has added them. One without
/// a list is answered with `no_model_list`.
#[utoipa::path(get, path = "/providers/{id}/models", tag = "providers",
    params(("id" = Uuid, Path, description = "The provider's id")),
    responses((status = 200, body = ListedModels), (status = 404, body = ProblemDocument),
              (status = 502, description = "The provider failed, or has no list", body = ProblemDocument)))]
pub(super) async fn list_provider_models(
    State(gateway): State<Gateway>,
    allow: Allow<ProviderRead>,
    ApiPath(id): ApiPath<Uuid>,
) -> Result<Json<ListedModels>, ApiError> {
    let items = gateway.provider_models(&allow.caller, id).await?;
    Ok(Json(ListedModels { items }))
}

impl Gateway {
    async fn provider_models(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Vec<ListedModel>, GatewayError> {
        let (ConfigRow { name, .. }, account) = self.account(caller, id).await?;
        let models = account.models().await.map_err(|error| match error {
            LlmError::UnknownModel(_) if account.may_list_none() => GatewayError::NoModelList,
            // Its fault or the base URL's, not an unknown object here.
            LlmError::UnknownModel(message) => LlmError::Provider { status: 404, message }.into(),
            error => error.of_provider(&name).into(),
        })?;
        let user = caller.user_id;
        let mut tx = self.inner.db.begin_as(user).await?;
        let provider = store::find(&mut tx, user, id).await?;
        let present = self.present_models(&mut tx, user, &provider).await?;
        tx.commit().await?;
        let mut taken = present.names.clone();
        let listed = models
            .into_iter()
            .map(|model| ListedModel::new(model, &provider, &present, &mut taken));
        Ok(listed.collect())
    }
}

impl ListedModel {
    /// With a name that is not among those that are `taken`, in lower case; it is then.
    fn new(
        model: lyceum_llm::ListedModel,
        provider: &ConfigRow,
        present: &Present,
        taken: &mut HashSet<String>,
    ) -> Self {
        Self {
            kind: match model.task {
                Some(ListedTask::Chat) => Some(Kind::Chat),
                Some(ListedTask::Embedding) => Some(Kind::Embedding),
                Some(ListedTask::Other) => None,
                None => kind_of(&model.id),
            },
            context_length: model.context_length.and_then(|length| i32::try_from(length).ok()),
            added: present.models.contains(&model.id),
            name: free_name(&model.id, &provider.name, taken),
            known: KnownModel::find(&provider.provider, &provider.base_url, &model.id).cloned(),
            id: model.id,
        }
    }
}

/// The name of a model, else that with the provider's, else that with a number, whichever is free
/// first.
fn free_name(id: &str, provider: &str, taken: &mut HashSet<String>) -> String {
    let start = |text: &str, length: usize| text.chars().take(length).collect::<String>();
    let plain = start(id, NAME);
    let longer = start(&format!("{} ({provider})", start(id, NAME / 2)), NAME);
    let numbered = (2_u32..).map(|number| {
        let number = format!(" {number}");
        start(&longer, NAME - number.len()) + &number
    });
    let mut names = [plain, longer.clone()].into_iter().chain(numbered);
    names.find(|name| taken.insert(name.to_lowercase())).unwrap_or_default()
}

/// What a model is for, as far as its name tells.
fn kind_of(id: &str) -> Option<Kind> {
    let id = id.to_lowercase();
    let has_one_of = |words: &[&str]| {
        id.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
    };
    if has_one_of(&OTHERS) {
        None
    } else if id.contains("embed") || has_one_of(&EMBEDDERS) {
        Some(Kind::Embedding)
    } else {
        Some(Kind::Chat)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listed_model_brings_what_is_known_of_it() {
        let provider = ConfigRow {
            id: Uuid::nil(),
            provider: "openai".to_owned(),
            scope: "personal".to_owned(),
            owner_id: None,
            name: "Mine".to_owned(),
            base_url: "https://api.openai.com/v1".to_owned(),
            encrypted_key: None,
            key_id: None,
            key_hint: None,
            config: json!({}),
            audience: "everyone".to_owned(),
            is_active: true,
            created_by: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let listed = |id: &str| {
            let model =
                lyceum_llm::ListedModel { id: id.to_owned(), task: None, context_length: None };
            let (present, mut taken) = (Present::default(), HashSet::new());
            let listed = ListedModel::new(model, &provider, &present, &mut taken);
            serde_json::to_value(listed).unwrap()
        };
        let known = listed("gpt-4o-2024-08-06");
        assert_eq!(known["known"]["model"], "gpt-4o");
        assert_eq!(known["known"]["input_price"], "2.5");
        // What the provider does not tell is not said in its name.
        assert_eq!(known["context_length"], json!(null));
        assert_eq!(listed("somebodys-own").get("known"), None);
    }

    #[test]
    fn each_name_that_is_given_is_free() {
        let mut taken = HashSet::from(["ok".to_owned(), "ok (mine)".to_owned()]);
        let long = "x".repeat(NAME);
        let longer = format!("{long}-1");
        let names: Vec<String> = ["ok", "OK", "new", &long, &longer, &format!("{long}-2")]
            .map(|id| free_name(id, "Mine", &mut taken))
            .into();
        let short = "x".repeat(NAME / 2);
        let expected = [
            "ok (Mine) 2".to_owned(),
            "OK (Mine) 3".to_owned(),
            "new".to_owned(),
            long,
            format!("{short} (Mine)"),
            format!("{short} (Mine) 2"),
        ];
        assert_eq!(names, expected);
        let provider = "y".repeat(NAME);
        let name = free_name("ok", &provider, &mut taken);
        assert_eq!(name.chars().count(), NAME);
        let name = free_name("ok", &provider, &mut taken);
        assert!(name.chars().count() == NAME && name.ends_with("y 2"), "{name}");
    }

    #[test]
    fn a_name_tells_what_a_model_is_for() {
        for (kind, ids) in [
            (
                Some(Kind::Chat),
                &["gpt-5.1", "qwen3:8b", "deepseek-chat", "claude-sonnet-4-5", "o3"][..],
            ),
            (
                Some(Kind::Embedding),
                &[
                    "text-embedding-3-large",
                    "nomic-embed-text:latest",
                    "BAAI/bge-m3",
                    "intfloat/multilingual-e5-large",
                    "Alibaba-NLP/gte-large-en-v1.5",
                ],
            ),
            (
                None,
                &["dall-e-3", "gpt-image-1", "whisper-1", "tts-1-hd", "BAAI/bge-reranker-v2-m3"],
            ),
        ] {
            for id in ids {
                assert_eq!(kind_of(id), kind, "{id}");
            }
        }
    }
}
