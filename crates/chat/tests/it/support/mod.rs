mod client;
mod model;
mod retriever;

pub use client::{Client, text_of};
pub use model::{ScriptedModel, Step, fails};
pub use retriever::{ScriptedRetriever, chunk};

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use http::request::Parts;
use lyceum_chat::{Chat, ChatSettings};
use lyceum_core::Clock;
use lyceum_gateway::Gateway;
use lyceum_http::{
    AllowedModels, ApiError, Authenticator, Caller, Credential, Outgoing, OutgoingPolicy,
};
use lyceum_llm::{LocalModel, LocalModels, ModelKind};
use lyceum_store::{Db, Keyring};
use lyceum_testkit::TestDb;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

/// One node with its database.
pub struct App {
    pub database: TestDb,
    pub node: Node,
    pub user: Uuid,
    /// As `user`.
    pub client: Client,
}

/// One node.
pub struct Node {
    pub chat: Chat,
    pub model: Arc<ScriptedModel>,
    pub retriever: Arc<ScriptedRetriever>,
    pub router: Router,
}

impl App {
    pub async fn new() -> Self {
        Self::with(settings("one")).await
    }

    pub async fn with(settings: ChatSettings) -> Self {
        let database = TestDb::new().await;
        let user = lyceum_testkit::user(&database.db, "ada").await;
        let node = Node::new(database.db.clone(), settings, Clock::system()).await;
        let client = node.client(user);
        Self { database, node, user, client }
    }
}

/// Quick checkpoints, so that tests need not wait for them.
pub fn settings(node: &str) -> ChatSettings {
    ChatSettings {
        node: node.to_owned(),
        checkpoint_interval: Duration::from_millis(20),
        ..ChatSettings::default()
    }
}

impl Node {
    pub async fn new(db: Db, settings: ChatSettings, clock: Clock) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let model = Arc::new(ScriptedModel::default());
        let retriever = Arc::new(ScriptedRetriever::default());
        let policy = OutgoingPolicy { allowed_private_hosts: vec!["*".to_owned()] };
        let gateway = Gateway::new(
            db.clone(),
            Keyring::generate().unwrap(),
            Outgoing::new(policy).unwrap(),
            local_models(model.clone()),
            clock.clone(),
        )
        .await
        .unwrap();
        let chat = Chat::new(db, gateway.clone(), Some(retriever.clone()), clock, settings);
        let router = OpenApiRouter::new()
            .merge(lyceum_chat::router(chat.clone()))
            .merge(lyceum_gateway::router(gateway.clone()));
        let router: Router = router.into();
        let authenticator: Arc<dyn Authenticator> = Arc::new(ByHeader);
        let router = router.layer(axum::Extension(authenticator));
        Self { chat, model, retriever, router }
    }

    pub fn client(&self, user: Uuid) -> Client {
        Client { router: self.router.clone(), user, key: None }
    }
}

fn local_models(model: Arc<ScriptedModel>) -> LocalModels {
    LocalModels {
        chat: model,
        catalogue: Arc::new([LocalModel {
            id: "scripted".to_owned(),
            display_name: "Scripted".to_owned(),
            kind: ModelKind::Chat,
            context_length: 4_096,
            dimensions: None,
            licence: "Apache-2.0".to_owned(),
            installed: true,
            default: true,
        }]),
        ..LocalModels::absent()
    }
}

/// Believes the headers `x-user`, `x-key` (an API key of theirs), and `x-model`, to which it limits the
/// caller as a key may be.
struct ByHeader;

#[async_trait]
impl Authenticator for ByHeader {
    async fn authenticate(&self, parts: &Parts) -> Result<Caller, ApiError> {
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let user = header("x-user").and_then(|user| user.parse().ok());
        let user = user.ok_or_else(|| ApiError::unauthenticated("no x-user"))?;
        let models = AllowedModels::new(header("x-model").map(|model| vec![model.to_owned()]));
        let mut caller = Caller { models, ..lyceum_testkit::caller(user) };
        if let Some(key) = header("x-key").and_then(|key| key.parse().ok()) {
            caller.credential = Credential::ApiKey(key);
        }
        Ok(caller)
    }
}
