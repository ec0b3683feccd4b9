//! The gateway: providers and their keys, models, prices, the ledger, and the one way to a model,
//! for conversations ([`Gateway::chat`]) and for applications (`/v1`, OpenAI's protocol).
//!
//! Invariants:
//! - No answer ends before its ledger row is committed, or, for `/v1`, in the journal, from which it
//!   is committed within milliseconds. A call that cannot be recorded ends with an error. Cancelled and
//!   broken calls have their row, too, with estimated tokens; those that ran for a second before their
//!   process was killed get it at the next start.
//! - A provider's key leaves the database only into a request to that provider's own address: it is
//!   never answered, logged or audited, and a changed address wants the key anew. The values of a
//!   provider's own headers follow the same rule.
//! - Requests to addresses that people name go through [`Outgoing`] only, judged at every use.
//! - Who may use a provider is decided by `app.access_paths` in the database.
//! - An unknown price is no price: the cost is then NULL, never 0, and whom a quota of costs binds does
//!   not get to such a model.
//! - The roll-ups are the ledger's sums at every moment; nothing else is written there.
//! - A request or an answer is stored only where its model says so, redacted and sealed. Answers that
//!   are kept to be given again are kept for whoever asked, and only as long as model, provider and
//!   price stay as they were.

mod cache;
mod calls;
mod distributions;
mod error;
mod fields;
mod ledger;
mod limits;
mod live;
mod models;
mod payloads;
mod providers;
mod quotas;
pub mod reconcile;
mod rollups;
mod routes;
mod usage;
mod v1;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::{from_fn, from_fn_with_state};
use lyceum_core::Clock;
use lyceum_http::{AllowedModels, Outgoing};
use lyceum_jobs::Jobs;
use lyceum_llm::{Lessons, LocalModels, ModelKind};
use lyceum_store::{Db, Keyring, Redis};
use tokio::runtime::Handle;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

pub use cache::Recall;
pub use calls::{CallContext, METRIC_BUCKETS, MeteredStream, describe_metrics};
pub use error::GatewayError;
pub use ledger::{CallRecord, Price, PriceTier, Purpose};
pub use limits::RateRefusal;
pub use models::ModelConfig;
pub use payloads::{ForgetPayloads, LogPayloads};
pub use quotas::QuotaRefusal;
pub use rollups::FoldUsage;
pub use routes::Attempt;
pub use v1::astray;

use cache::Answers;
use calls::Http;
use ledger::Ledger;
use limits::Limits;
use live::Live;
use models::Catalogues;
use payloads::Payloads;
use quotas::Accounts;
use routes::HealthBook;

lyceum_http::rights! {
    ProviderRead = "provider", "read";
    ProviderWrite = "provider", "write";
    ModelRead = "model", "read";
    ModelWrite = "model", "write";
    InferenceCreate = "inference", "create";
    UsageRead = "usage", "read";
    /// Sets up the organisation's providers and models and distributes them.
    OrganizationProviderManage = "organization_provider", "manage";
    /// Sees everybody's usage.
    UsageReadAll = "usage", "read_all";
    /// Reads requests and answers that models keep.
    PayloadRead = "payload", "read";
    QuotaRead = "quota", "read";
    QuotaManage = "quota", "manage";
    ApiKeyRead = "api_key", "read";
    ApiKeyWrite = "api_key", "write";
}

/// Adding and changing what the whole organisation uses. Not an action on `provider`, because
/// everybody has `provider:*` for their own.
pub(crate) const ORGANIZATION_PROVIDER: (&str, &str) = ("organization_provider", "manage");
/// Seeing everybody's usage.
pub(crate) const USAGE_READ_ALL: (&str, &str) = ("usage", "read_all");

/// Settings of the gateway.
#[derive(Clone)]
pub struct GatewaySettings {
    /// Calls per minute of one API key, or of one user in the browser; unlimited where `None`.
    pub requests_per_minute: Option<u32>,
    /// The largest body that `/v1` accepts, in bytes.
    pub max_body_bytes: usize,
    /// The longest silence in a streamed answer of `/v1`; then a sign of life is sent.
    pub heartbeat: Duration,
    /// What all nodes share; without it each limits and counts by itself.
    pub redis: Option<Redis>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            // As Anthropic.
            max_body_bytes: 32 * 1024 * 1024,
            heartbeat: Duration::from_secs(15),
            redis: None,
        }
    }
}

/// The gateway. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    keyring: Keyring,
    outgoing: Outgoing,
    http: Arc<Http>,
    /// What models refused.
    lessons: Lessons,
    local: LocalModels,
    clock: Clock,
    ledger: Ledger,
    catalogues: Catalogues,
    health: HealthBook,
    limits: Limits,
    accounts: Accounts,
    live: Live,
    payloads: Payloads,
    answers: Answers,
    settings: GatewaySettings,
    /// The runtime in which the gateway was made, for what would hold up a connection's own.
    common: Handle,
}

impl Gateway {
    /// A gateway with the usual settings. Writes the built-in models into the database, so that
    /// conversations can refer to them, and starts the ledger's writer.
    pub async fn new(
        db: Db,
        keyring: Keyring,
        outgoing: Outgoing,
        local: LocalModels,
        clock: Clock,
    ) -> Result<Self, GatewayError> {
        Self::with_settings(db, keyring, outgoing, local, clock, GatewaySettings::default()).await
    }

    /// A gateway with the given settings.
    pub async fn with_settings(
        db: Db,
        keyring: Keyring,
        outgoing: Outgoing,
        local: LocalModels,
        clock: Clock,
        settings: GatewaySettings,
    ) -> Result<Self, GatewayError> {
        let gateway = Self::unregistered(db, keyring, outgoing, local, clock, settings);
        gateway.register_local_models().await?;
        Ok(gateway)
    }

    /// A gateway that has not touched the database yet; [`Gateway::register_local_models`] has to
    /// follow before it serves.
    pub fn unregistered(
        db: Db,
        keyring: Keyring,
        outgoing: Outgoing,
        local: LocalModels,
        clock: Clock,
        settings: GatewaySettings,
    ) -> Self {
        let accounts = Accounts::default();
        let inner = Inner {
            http: Arc::new(Http::new(outgoing.clone())),
            lessons: Lessons::default(),
            ledger: Ledger::start(db.clone(), accounts.clone()),
            catalogues: models::catalogues(),
            health: HealthBook::default(),
            limits: Limits::new(
                settings.requests_per_minute,
                accounts.clone(),
                settings.redis.clone(),
            ),
            accounts,
            live: Live::new(clock.now(), settings.redis.clone()),
            payloads: Payloads::start(db.clone(), keyring.clone(), clock.clone()),
            answers: Answers::new(db.cache().clone()),
            db,
            keyring,
            outgoing,
            local,
            clock,
            settings,
            common: Handle::current(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Writes the built-in models into the database, so that conversations can refer to them, and
    /// listens for changes of limits.
    pub async fn register_local_models(&self) -> Result<(), GatewayError> {
        self.inner.limits.watch(&self.inner.db, &self.inner.ledger).await;
        models::register_local(&self.inner.db, &self.inner.local, self.inner.clock.now()).await
    }

    /// Keeps rows of `/v1` in files in `folder` until the database has committed them, so that calls
    /// need not wait for its disk, and brings in those that an earlier process left there. Calls that
    /// run are noted there, too, for the process after this one. Of two processes with one folder each
    /// has its own files.
    pub async fn open_journal(&self, folder: &std::path::Path) -> std::io::Result<()> {
        let notes = self.inner.ledger.open_journal(folder).await?;
        self.inner.live.keep_notes(notes);
        Ok(())
    }

    /// Drops what is remembered of who may call what. To be called when somebody's access changed,
    /// on whichever node.
    pub fn forget_access(&self) {
        self.inner.catalogues.forget_all();
    }

    /// The program stops: [`Gateway::flush`], and the journal takes no more rows.
    pub async fn close(&self) {
        self.inner.ledger.close_journal();
        self.flush().await;
        self.inner.live.close_notes().await;
    }

    /// Waits until every call made so far is in the ledger and its payload kept where one is, and
    /// gives back what is leased of quotas.
    pub async fn flush(&self) {
        self.inner.ledger.flush().await;
        self.inner.payloads.flush().await;
        self.inner.live.tell().await;
        if let Some(holder) = self.inner.ledger.current_holder() {
            self.inner.accounts.give_back(&self.inner.db, holder, false).await;
        }
    }

    /// What the ledger says of the call that answered a request of `user`.
    pub async fn call_record(
        &self,
        user: Uuid,
        request_id: Uuid,
    ) -> Result<Option<CallRecord>, GatewayError> {
        let mut tx = self.inner.db.begin_as(user).await?;
        ledger::find(&mut tx, user, request_id).await
    }

    /// The chat model that `user` means: the named one, else their default, else the
    /// organisation's, else the built-in one. Where somebody calls for it,
    /// [`ModelConfig::for_caller`] comes next.
    pub async fn resolve_chat_model(
        &self,
        user: Uuid,
        model_config_id: Option<Uuid>,
    ) -> Result<ModelConfig, GatewayError> {
        let catalogue = self.catalogue(user).await?;
        match model_config_id {
            Some(id) => catalogue.by_id(id, ModelKind::Chat),
            None => catalogue.default_of(ModelKind::Chat),
        }
    }

    /// The embedding model of this name or id that `user` may use.
    pub async fn embedding_model(
        &self,
        user: Uuid,
        name_or_id: &str,
    ) -> Result<ModelConfig, GatewayError> {
        let all = AllowedModels::default();
        self.catalogue(user).await?.by_name(name_or_id, ModelKind::Embedding, &all)
    }

    /// The embedding model where nobody named one: the user's default, else the organisation's,
    /// else the built-in one.
    pub async fn default_embedding_model(&self, user: Uuid) -> Result<ModelConfig, GatewayError> {
        self.catalogue(user).await?.default_of(ModelKind::Embedding)
    }
}

/// The routes below `/api/v1`.
pub fn router(gateway: Gateway) -> OpenApiRouter {
    let of_the_ledger = OpenApiRouter::new()
        .merge(usage::router())
        .merge(reconcile::router())
        .merge(quotas::router())
        .route_layer(from_fn_with_state(gateway.clone(), ledger::catch_up));
    OpenApiRouter::new()
        .merge(providers::router())
        .merge(distributions::router())
        .merge(models::router())
        .merge(routes::router())
        .merge(of_the_ledger)
        .merge(payloads::router())
        .merge(live::router())
        .merge(limits::router())
        .with_state(gateway)
}

/// The routes at `/v1`, in OpenAI's form, and what is answered where there is none.
pub fn v1_router(gateway: Gateway) -> OpenApiRouter {
    v1::router().layer(from_fn(v1::receive)).with_state(gateway)
}

/// Registers this domain's jobs and their schedule.
pub fn register_jobs(jobs: Jobs, gateway: &Gateway) -> Jobs {
    jobs.register::<FoldUsage>(gateway.clone())
        .schedule("* * * * *", FoldUsage {})
        .register::<ForgetPayloads>(gateway.clone())
        .schedule("25 * * * *", ForgetPayloads {})
}
