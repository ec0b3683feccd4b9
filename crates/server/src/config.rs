use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Context as _;
use figment::Figment;
use lyceum_identity::MailSecurity;
use serde::{Deserialize, Serialize};
use url::Url;

mod sources;

pub use sources::stated;

use crate::telemetry::TelemetryConfig;

/// Everything that can be set. Defaults are below; a TOML file and then the environment
/// (`LYCEUM_SERVER__LISTEN=…`) go over them, and flags over those.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// What several nodes share beside it.
    pub redis: RedisConfig,
    /// Where files are kept.
    pub storage: StorageConfig,
    /// The master key of everybody's secrets.
    pub secrets: SecretsConfig,
    /// What programs ask at `/v1`.
    pub gateway: GatewayConfig,
    /// The ledger of calls.
    pub ledger: LedgerConfig,
    /// Requests to other hosts.
    pub outgoing: OutgoingConfig,
    /// The local models.
    pub engine: EngineConfig,
    /// Documents and their limits.
    pub knowledge: KnowledgeConfig,
    /// E-mail to the people.
    pub mail: MailConfig,
    /// The program's own log.
    pub log: LogConfig,
    /// Figures for Prometheus.
    pub metrics: MetricsConfig,
    /// Traces for OpenTelemetry.
    pub telemetry: TelemetryConfig,
}

/// The HTTP server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port; port 0 takes a free one.
    #[serde(deserialize_with = "sources::socket_address")]
    pub listen: SocketAddr,
    /// The address that people open, `http://localhost:<port>` by default. Cookies are marked
    /// `Secure` where it is https, passkeys are bound to its host, and OpenID issuers send people
    /// back to it.
    pub public_url: Option<String>,
    /// Take the client's address from `X-Forwarded-For` of a proxy in front.
    pub trust_proxy: bool,
    /// How long the head of a request may take to arrive, in seconds; an idle connection is closed
    /// after as long.
    pub head_timeout_seconds: u64,
    /// This node's name, the same at every start and different from every other node's on the
    /// same database; the host's name by default.
    pub node: String,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            listen: ([127, 0, 0, 1], 8080).into(),
            public_url: None,
            trust_proxy: false,
            head_timeout_seconds: 60,
            node: host.trim().to_owned(),
        }
    }
}

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// A PostgreSQL server (15 or newer, with pgvector); without it the program runs its own. Also
    /// read from `DATABASE_URL`.
    pub url: Option<String>,
    /// The most connections of this program.
    pub max_connections: u32,
    /// Folder of a PostgreSQL installation to run instead of the one inside the program. Also read
    /// from `POSTGRES_BIN`.
    pub binaries: Option<PathBuf>,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: None, max_connections: 24, binaries: None }
    }
}

/// What several nodes share beside the database: exact rate limits, live counters and caches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// A Redis (6 or newer) or Valkey server: `redis://:password@host:6379/0`, `rediss://…` for TLS
    /// or `unix:///path`. Without it each node limits and counts by itself.
    pub url: Option<String>,
    /// Certificates in PEM of the authorities that are trusted over TLS instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long it may take for an answer, in milliseconds; then a call goes on without it.
    pub timeout_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self { url: None, ca_file: None, timeout_ms: 250 }
    }
}

/// Where files are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The one folder of the program: database, uploaded files, keys.
    pub data_dir: PathBuf,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { data_dir: default_data_dir() }
    }
}

/// The master key of everybody's secrets: from a file, from a command, or from the environment
/// variable `LYCEUM_SECRET_KEY`. Each gives lines `<key id> <64 hexadecimal digits>`, the current key
/// last. Without any it is `secret.key` in the data folder, made at the first start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsConfig {
    /// The file.
    pub key_file: Option<PathBuf>,
    /// The program and its arguments; no shell is involved.
    pub key_command: Vec<String>,
}

/// What programs ask at `/v1`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// The largest request, in MiB (2²⁰ bytes). Pictures and files come inside of it, a third larger
    /// than they are.
    pub max_body_mib: NonZeroU32,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        // As Anthropic.
        Self { max_body_mib: NonZeroU32::new(32).unwrap_or(NonZeroU32::MIN) }
    }
}

/// The ledger of calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerConfig {
    /// Whether a call of `/v1` is answered as soon as its row is in a file of the data folder, from
    /// where the database gets it within milliseconds. Without, calls wait for the database's disk:
    /// wanted where the data folder may vanish with the process, as in a container without a volume.
    pub journal: bool,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self { journal: true }
    }
}

/// Requests to other hosts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutgoingConfig {
    /// Private hosts (`host` or `host:port`, or `*`) that providers may live on.
    pub allowed_private_hosts: Vec<String>,
    /// A proxy for all others: `http://user:password@host:3128` or `https://…`. Without it there is
    /// none, whatever `HTTP_PROXY` says.
    pub proxy: Option<String>,
    /// What is reached without the proxy: names of hosts and domains, addresses, networks
    /// (`10.0.0.0/8`). Hosts of `allowed_private_hosts` always are.
    pub no_proxy: Vec<String>,
    /// Certificates in PEM of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// The local models.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Whether to run local models at all.
    pub enabled: bool,
    /// Folder of the model files. Also read from `LYCEUM_MODELS`.
    pub models_dir: Option<PathBuf>,
    /// Threads of computation; the machine's physical cores where it is 0.
    pub threads: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { enabled: true, models_dir: None, threads: 0 }
    }
}

/// Documents and their limits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnowledgeConfig {
    /// The largest file that may be uploaded, in megabytes (10⁶ bytes).
    pub max_upload_mb: u64,
    /// Documents that are worked on at the same time.
    pub concurrency: usize,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        Self { max_upload_mb: 100, concurrency: 2 }
    }
}

/// E-mail to the people: links to confirm an address or to set a new password. Without a host none
/// is sent, and administrators hand links over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// The mail server.
    pub host: Option<String>,
    /// Its port; 465, 587 or 25 by its security where absent.
    pub port: Option<u16>,
    /// `tls` from the first byte, `starttls`, or `none` for a server on the same machine.
    pub security: MailSecurity,
    /// The name to sign in with, where the server wants one.
    pub username: Option<String>,
    /// The password that goes with it.
    pub password: Option<String>,
    /// A file that holds the password instead.
    pub password_file: Option<PathBuf>,
    /// Who the letters are from: `name@example.org` or `Name <name@example.org>`.
    pub from: Option<String>,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            host: None,
            port: None,
            security: MailSecurity::Starttls,
            username: None,
            password: None,
            password_file: None,
            from: None,
        }
    }
}

/// The program's own log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A filter such as `info` or `lyceum_gateway=debug,info`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info,sqlx=warn,graphile_worker=warn".to_owned(), json: false }
    }
}

/// Figures for Prometheus, at `/metrics`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Who sends this as a bearer token may read them, beside people with the right `system:read`.
    pub token: Option<String>,
}

impl Config {
    /// The address that people open; unknown only where none is set and the port is yet to be
    /// found.
    pub fn public_url(&self) -> anyhow::Result<Option<Url>> {
        let listen = self.server.listen;
        let text = match (&self.server.public_url, listen.port()) {
            (Some(text), _) => text.clone(),
            (None, 0) => return Ok(None),
            (None, port) if listen.ip().is_loopback() || listen.ip().is_unspecified() => {
                format!("http://localhost:{port}")
            }
            (None, _) => format!("http://{listen}"),
        };
        let url = Url::parse(&text).context("server.public_url is not an address")?;
        anyhow::ensure!(
            matches!(url.scheme(), "http" | "https") && url.query().is_none(),
            "server.public_url must be http or https, without a query"
        );
        Ok(Some(url))
    }

    /// The configuration in force.
    pub fn extract(figment: &Figment) -> anyhow::Result<Self> {
        figment.extract().context("the configuration cannot be read")
    }
}

fn environment_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home() -> PathBuf {
    environment_path("HOME").unwrap_or_else(|| PathBuf::from("/"))
}

/// `/var/lib/lyceum` for root, because its home is closed to the database's account; the user's
/// own data folder for everybody else.
fn default_data_dir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/lyceum");
    }
    environment_path("XDG_DATA_HOME").unwrap_or_else(|| home().join(".local/share")).join("lyceum")
}
