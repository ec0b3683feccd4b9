//! Puts the parts together: what one domain needs of another is handed over here.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use lyceum_chat::{Chat, ChatSettings};
use lyceum_core::{Clock, Secret, THIS_PROGRAM};
use lyceum_engine::{EngineConfig, LocalEngine};
use lyceum_gateway::{Gateway, GatewaySettings};
use lyceum_http::{Authenticator, Egress, Outgoing, OutgoingPolicy};
use lyceum_identity::{Identity, IdentityConfig, MailSettings, Mailer, SigningKey};
use lyceum_jobs::{CancellationToken, Jobs, JobsHandle};
use lyceum_knowledge::parse::{ParseLimits, Parser};
use lyceum_knowledge::{Knowledge, KnowledgeSettings, Parts};
use lyceum_llm::LocalModels;
use lyceum_ops::{Metrics, Ops, StatusSource, SystemLogEvents};
use lyceum_store::cluster::socket_folder;
use lyceum_store::{Db, Keyring, Objects, Redis, RedisSettings};
use sqlx::postgres::PgConnectOptions;
use tokio::task::{JoinHandle, JoinSet};
use utoipa::openapi::OpenApi;

use crate::config::{Config, MailConfig, OutgoingConfig};
use crate::database::Database;
use crate::presence::Presence;
use crate::retriever::KnowledgeRetriever;
use crate::router;
use crate::secrets::master_keys;

/// How long running answers may go on after the program was asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Jobs beside the reading of documents that run at once.
const UPKEEP_WORKERS: usize = 4;

/// All parts of the running program.
pub struct Platform {
    /// Who calls.
    pub identity: Identity,
    gateway: Gateway,
    knowledge: Knowledge,
    chat: Chat,
    ops: Ops,
    engine: Option<LocalEngine>,
    jobs: Vec<JobsHandle>,
    stopping: CancellationToken,
}

/// What is kept in the data folder beside the database.
struct Kept {
    keyring: Keyring,
    signing: SigningKey,
    objects: Objects,
}

impl Kept {
    /// Refuses a master key that does not open the database's secrets.
    async fn open(config: &Config, db: &Db, clock: &Clock) -> anyhow::Result<Self> {
        let data_dir = &config.storage.data_dir;
        // The private cluster has made the folder already; a configured server has not.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .with_context(|| format!("the data folder {} cannot be made", data_dir.display()))?;
        Ok(Self {
            keyring: Keyring::connect(master_keys(config).await?, db, clock.clone()).await?,
            signing: SigningKey::load_or_create(&data_dir.join("signing.key"))?,
            objects: Objects::folder(&data_dir.join("objects"))?,
        })
    }
}

impl Platform {
    /// Makes and starts every part.
    pub async fn start(config: &Config, database: &Database, clock: Clock) -> anyhow::Result<Self> {
        let kept = Kept::open(config, &database.db, &clock).await?;
        let keyring = kept.keyring.clone();
        let redis = redis(config).await?;
        if let Some(redis) = redis.clone() {
            database.db.cache().share(redis, keyring.clone());
        }
        let engine = match config.engine.enabled {
            true => Some(LocalEngine::start(engine_config(config)?).await?),
            false => None,
        };
        let mut platform = Self::assemble(config, database.db.clone(), redis, kept, engine, clock)?;
        platform.gateway.register_local_models().await?;
        if config.ledger.journal {
            let folder = config.storage.data_dir.join("ledger");
            platform.gateway.open_journal(&folder).await.with_context(|| {
                format!("the ledger's journal in {} cannot be opened", folder.display())
            })?;
        }
        let recovered = platform.chat.recover().await?;
        if recovered > 0 {
            tracing::info!(recovered, "answers were left unfinished by the last run");
        }
        platform.chat.watch_other_nodes();
        let (identity, stopping) = (platform.identity.clone(), platform.stopping.clone());
        tokio::spawn(async move { identity.run(stopping).await });
        let (ops, stopping) = (platform.ops.clone(), platform.stopping.clone());
        tokio::spawn(async move { ops.run(stopping).await });
        let (db, stopping) = (database.db.clone(), platform.stopping.clone());
        tokio::spawn(async move { stopping.run_until_cancelled(keyring.follow(&db)).await });
        let (db, stopping) = (database.db.clone(), platform.stopping.clone());
        tokio::spawn(async move { stopping.run_until_cancelled(db.cache().follow(&db)).await });
        let (mut changes, gateway) = (platform.identity.changes(), platform.gateway.clone());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                gateway.forget_access();
            }
        });
        let jobs = Jobs::new(database.owner.clone()).concurrency(UPKEEP_WORKERS);
        let jobs = lyceum_identity::register_jobs(jobs, &platform.identity);
        let jobs = lyceum_gateway::register_jobs(jobs, &platform.gateway);
        let jobs = lyceum_knowledge::register_jobs(jobs, platform.knowledge.clone());
        let jobs = lyceum_ops::register_jobs(jobs, &platform.ops);
        platform.jobs.push(jobs.start().await?);
        // Documents have a worker of their own, so that however many wait to be read, they never
        // leave the platform's upkeep without one.
        let reading = Jobs::new(database.owner.clone());
        let reading = lyceum_knowledge::register_ingestion(reading, platform.knowledge.clone());
        platform.jobs.push(reading.start().await?);
        Ok(platform)
    }

    /// The parts with neither database nor models behind them, for what their routes say of
    /// themselves.
    pub fn unconnected() -> anyhow::Result<Self> {
        let db = Db::lazy(PgConnectOptions::new_without_pgpass(), 1);
        let kept = Kept {
            keyring: Keyring::generate()?,
            signing: SigningKey::generate()?,
            objects: Objects::in_memory(),
        };
        Self::assemble(&Config::default(), db, None, kept, None, Clock::system())
    }

    fn assemble(
        config: &Config,
        db: Db,
        redis: Option<Redis>,
        kept: Kept,
        engine: Option<LocalEngine>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let Kept { keyring, signing, objects } = kept;
        let outgoing = outgoing(&config.outgoing)?;
        let local = engine.as_ref().map_or_else(LocalModels::absent, LocalEngine::local_models);
        let tokens = local.tokens.clone();
        let identity = Identity::new(
            db.clone(),
            objects.clone(),
            clock.clone(),
            &signing,
            keyring.clone(),
            outgoing.clone(),
            identity_config(config)?,
        );
        let settings = gateway_settings(config, redis.clone());
        let gateway =
            Gateway::unregistered(db.clone(), keyring, outgoing, local, clock.clone(), settings);
        let parts = Parts {
            db: db.clone(),
            objects,
            gateway: gateway.clone(),
            tokens,
            parser: Parser::this_program(ParseLimits::default()),
            clock: clock.clone(),
        };
        let knowledge = Knowledge::new(parts, knowledge_settings(config));
        let retriever = Arc::new(KnowledgeRetriever(knowledge.clone()));
        let settings = ChatSettings { node: config.server.node.clone(), ..ChatSettings::default() };
        let chat = Chat::new(db.clone(), gateway.clone(), Some(retriever), clock.clone(), settings);
        let ops = Ops::new(db, clock, env!("CARGO_PKG_VERSION"), sources(&engine, redis));
        let (jobs, stopping) = (Vec::new(), CancellationToken::new());
        Ok(Self { identity, gateway, knowledge, chat, ops, engine, jobs, stopping })
    }

    /// Keeps the program's warnings and errors in the database until `end`.
    pub fn keep_log(
        &self,
        events: SystemLogEvents,
        node: String,
        end: CancellationToken,
    ) -> JoinHandle<()> {
        let ops = self.ops.clone();
        tokio::spawn(async move { ops.keep_system_log(events, node, end).await })
    }

    /// `/metrics`, behind the token or the right that it asks for.
    pub fn metrics_routes(&self, metrics: Metrics) -> Router {
        lyceum_ops::metrics_router(self.ops.clone(), metrics)
    }

    /// All routes and what they say of themselves.
    pub fn routes(&self) -> (Router, OpenApi) {
        let api = [
            lyceum_identity::router(self.identity.clone()),
            lyceum_gateway::router(self.gateway.clone()),
            lyceum_knowledge::router(self.knowledge.clone()),
            lyceum_chat::router(self.chat.clone()),
            lyceum_ops::router(self.ops.clone()),
        ];
        let scim = lyceum_identity::scim_router(self.identity.clone());
        router::routes(api, lyceum_gateway::v1_router(self.gateway.clone()), scim)
    }

    /// What finds the caller of a request.
    pub fn authenticator(&self) -> Arc<dyn Authenticator> {
        Arc::new(Presence::new(self.identity.clone(), self.gateway.clone()))
    }

    /// Is cancelled when the program is asked to stop.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Ends the running answers, with their text kept, so that their streams end, too.
    pub async fn end_answers(&self) {
        if tokio::time::timeout(GRACE, self.chat.shutdown()).await.is_err() {
            tracing::warn!("some answers did not end in time");
        }
    }

    /// Stops the parts; those first that use others.
    pub async fn stop(self) {
        self.stopping.cancel();
        // At the same time, because each waits a few seconds for what it runs.
        let jobs: JoinSet<()> = self.jobs.into_iter().map(JobsHandle::shutdown).collect();
        jobs.join_all().await;
        self.gateway.close().await;
        if let Some(engine) = &self.engine {
            engine.shutdown().await;
        }
    }
}

/// A file, unless its variable is set to nothing.
fn named(file: Option<&Path>) -> Option<PathBuf> {
    file.filter(|file| !file.as_os_str().is_empty()).map(Path::to_owned)
}

/// The client for requests to other hosts.
fn outgoing(config: &OutgoingConfig) -> anyhow::Result<Outgoing> {
    let policy = OutgoingPolicy { allowed_private_hosts: config.allowed_private_hosts.clone() };
    let egress = Egress {
        // A variable that is set to nothing sets nothing.
        proxy: config.proxy.as_deref().filter(|proxy| !proxy.is_empty()).map(Secret::new),
        no_proxy: config.no_proxy.clone(),
        ca_file: named(config.ca_file.as_deref()),
    };
    Ok(Outgoing::through(policy, &egress)?)
}

fn engine_config(config: &Config) -> anyhow::Result<EngineConfig> {
    let data_dir = &config.storage.data_dir;
    let data_dir = data_dir
        .canonicalize()
        .with_context(|| format!("the data folder {} cannot be used", data_dir.display()))?;
    let folder = socket_folder(&data_dir.join("engine"), lyceum_engine::SOCKET)?;
    let mut engine = EngineConfig::new(THIS_PROGRAM, folder);
    if let Some(models) = &config.engine.models_dir {
        engine.models = models.clone();
    }
    engine.threads = Some(config.engine.threads).filter(|&threads| threads > 0);
    Ok(engine)
}

fn identity_config(config: &Config) -> anyhow::Result<IdentityConfig> {
    let public_url = config.public_url()?;
    Ok(IdentityConfig {
        secure_cookies: public_url.as_ref().is_some_and(|url| url.scheme() == "https"),
        trust_proxy: config.server.trust_proxy,
        public_url,
        mailer: mailer(&config.mail)?,
        further_rights: [
            lyceum_gateway::RIGHTS,
            lyceum_chat::RIGHTS,
            lyceum_knowledge::RIGHTS,
            lyceum_ops::RIGHTS,
        ]
        .concat(),
        ..IdentityConfig::default()
    })
}

/// The way to the mail server, where one is named.
fn mailer(config: &MailConfig) -> anyhow::Result<Option<Mailer>> {
    let Some(host) = config.host.clone() else { return Ok(None) };
    let from = config.from.clone().context("mail.from is missing: who the letters are from")?;
    let password = match (&config.password, &config.password_file) {
        (Some(_), Some(_)) => anyhow::bail!("set mail.password or mail.password_file, not both"),
        (Some(password), None) => Some(Secret::new(password)),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("mail.password_file {} cannot be read", file.display()))?;
            Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
        }
        (None, None) => None,
    };
    let credentials = match (config.username.clone(), password) {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) => None,
        _ => anyhow::bail!("mail.username and its password belong together"),
    };
    let (port, security) = (config.port, config.security);
    let settings = MailSettings { host, port, security, credentials, from };
    Ok(Some(Mailer::new(settings).context("the mail settings cannot be used")?))
}

fn gateway_settings(config: &Config, redis: Option<Redis>) -> GatewaySettings {
    let mebibytes = u64::from(config.gateway.max_body_mib.get());
    GatewaySettings {
        max_body_bytes: usize::try_from(mebibytes << 20).unwrap_or(usize::MAX),
        redis,
        ..GatewaySettings::default()
    }
}

fn knowledge_settings(config: &Config) -> KnowledgeSettings {
    KnowledgeSettings {
        max_file_bytes: config.knowledge.max_upload_mb * 1_000_000,
        ingest_concurrency: config.knowledge.concurrency,
        ..KnowledgeSettings::default()
    }
}

/// The Redis that nodes share, where one is named.
async fn redis(config: &Config) -> anyhow::Result<Option<Redis>> {
    let Some(settings) = redis_settings(config) else { return Ok(None) };
    Ok(Some(Redis::connect(settings).await?))
}

fn redis_settings(config: &Config) -> Option<RedisSettings> {
    Some(RedisSettings {
        url: config.redis.url.clone()?,
        ca_file: named(config.redis.ca_file.as_deref()),
        patience: Duration::from_millis(config.redis.timeout_ms),
    })
}

/// The parts that tell how they are.
fn sources(engine: &Option<LocalEngine>, redis: Option<Redis>) -> Vec<Arc<dyn StatusSource>> {
    let mut sources: Vec<Arc<dyn StatusSource>> = Vec::new();
    if let Some(engine) = engine {
        sources.push(Arc::new(EngineStatus(engine.clone())));
    }
    if let Some(redis) = redis {
        sources.push(Arc::new(RedisStatus(redis)));
    }
    sources
}

struct RedisStatus(Redis);

#[async_trait]
impl StatusSource for RedisStatus {
    fn name(&self) -> &'static str {
        "redis"
    }

    async fn status(&self) -> serde_json::Value {
        serde_json::json!(self.0.status())
    }

    fn is_missed(&self) -> bool {
        !self.0.is_up()
    }
}

struct EngineStatus(LocalEngine);

#[async_trait]
impl StatusSource for EngineStatus {
    fn name(&self) -> &'static str {
        "engine"
    }

    async fn status(&self) -> serde_json::Value {
        let health = tokio::time::timeout(Duration::from_secs(1), self.0.health()).await;
        let health = health.ok().and_then(Result::ok);
        serde_json::json!({
            "process": self.0.status(),
            "health": health,
            "models": self.0.catalogue(),
        })
    }

    fn is_missed(&self) -> bool {
        !self.0.is_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_request_of_a_program_is_a_setting() {
        let mut config = Config::default();
        let limit = |config: &Config| gateway_settings(config, None).max_body_bytes;
        assert_eq!(limit(&config), GatewaySettings::default().max_body_bytes);
        config.gateway.max_body_mib = std::num::NonZeroU32::new(3).unwrap();
        assert_eq!(limit(&config), 3 * 1024 * 1024);
    }

    #[test]
    fn a_way_out_that_cannot_be_is_an_error_at_the_start() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = OutgoingConfig::default();
        assert!(outgoing(&config).is_ok());
        assert!(outgoing(&OutgoingConfig { proxy: Some(String::new()), ..config.clone() }).is_ok());
        for (config, setting) in [
            (OutgoingConfig { proxy: Some("hunter2".to_owned()), ..config.clone() }, "proxy"),
            (OutgoingConfig { no_proxy: vec!["a b".to_owned()], ..config.clone() }, "no_proxy"),
            (OutgoingConfig { ca_file: Some("/nowhere.pem".into()), ..config.clone() }, "ca_file"),
        ] {
            let refusal = format!("{:#}", outgoing(&config).unwrap_err());
            assert!(refusal.starts_with(&format!("outgoing.{setting}")), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_file_of_authorities_that_is_set_to_nothing_sets_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let file = |name: &str| Some(PathBuf::from(name));
        let config = OutgoingConfig { ca_file: file(""), ..OutgoingConfig::default() };
        assert!(outgoing(&config).is_ok());
        let mut config = Config::default();
        config.redis.url = Some("rediss://127.0.0.1".to_owned());
        for (given, taken) in [(file(""), None), (file("ca.pem"), file("ca.pem")), (None, None)] {
            config.redis.ca_file = given;
            assert_eq!(redis_settings(&config).unwrap().ca_file, taken);
        }
    }

    #[test]
    fn the_engine_has_a_socket_however_long_the_path_of_the_data_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = folder.path().join("a-rather-long-name-of-a-folder/".repeat(4));
        std::fs::create_dir_all(&config.storage.data_dir).unwrap();
        let socket_dir = engine_config(&config).unwrap().socket_dir;
        assert!(!socket_dir.starts_with(folder.path()));
        assert!(socket_dir.join(lyceum_engine::SOCKET).as_os_str().len() <= 107);
        std::fs::remove_dir(socket_dir).unwrap();
    }
}
