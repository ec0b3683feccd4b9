//! Running the platform: who did what, whether it is well, its settings, and the upkeep that runs
//! by itself.
//!
//! Invariants:
//! - The audit log is only ever appended to and, by age, forgotten; nothing here changes an entry,
//!   and a chain of hashes shows whether somebody else did.
//! - Every partitioned table has its partitions months ahead; a row in a default partition is an
//!   alarm, in the log and in the status.
//! - What was deleted is gone for good after the time that the settings say, dependants first,
//!   whatever table it is in: the catalogue decides, not a list.
//! - The program's warnings and errors are kept in the database, bounded, without secrets, and never
//!   at the cost of what it does.
//! - A setting's value fits the schema that stands beside it.

mod audit;
mod error;
mod health;
mod metrics;
mod partitions;
mod purge;
mod retention;
mod settings;
mod status;
mod system_log;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use lyceum_core::Clock;
use lyceum_jobs::Jobs;
use lyceum_store::Db;
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use audit::NoteAuditAnchor;
pub use error::OpsError;
pub use metrics::{Metrics, metrics_router, note_request};
pub use partitions::MakePartitions;
pub use purge::PurgeDeleted;
pub use retention::ApplyRetention;
pub use status::StatusSource;
pub use system_log::{SystemLogEvents, system_log};

lyceum_http::rights! {
    AuditRead = "audit", "read";
    AuditExport = "audit", "export";
    SystemRead = "system", "read";
    SystemWrite = "system", "write";
}

/// The operations service; cheap to clone.
#[derive(Clone)]
pub struct Ops {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    clock: Clock,
    version: &'static str,
    started_at: DateTime<Utc>,
    sources: Vec<Arc<dyn StatusSource>>,
    /// Held by the one verification of the audit log that this node runs.
    verifying: Mutex<()>,
}

impl Ops {
    /// Makes the service of a program of this version that starts now; `sources` tell the state
    /// of its other parts.
    pub fn new(
        db: Db,
        clock: Clock,
        version: &'static str,
        sources: Vec<Arc<dyn StatusSource>>,
    ) -> Self {
        let started_at = clock.now();
        let verifying = Mutex::new(());
        Self { inner: Arc::new(Inner { db, clock, version, started_at, sources, verifying }) }
    }
}

/// The routes of this domain, below `/api/v1`.
pub fn router(ops: Ops) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(audit::http::list_audit_logs))
        .routes(routes!(audit::http::export_audit_logs))
        .routes(routes!(audit::http::get_audit_chain))
        .routes(routes!(audit::http::verify_audit_chain))
        .routes(routes!(health::get_health))
        .routes(routes!(health::get_readiness))
        .routes(routes!(status::http::get_system_status))
        .routes(routes!(status::http::retry_failed_job))
        .routes(routes!(system_log::http::list_system_logs))
        .routes(routes!(settings::http::list_system_configs))
        .routes(routes!(settings::http::get_system_config, settings::http::put_system_config))
        .with_state(ops)
}

/// Adds this domain's jobs and their times to the worker.
pub fn register_jobs(jobs: Jobs, ops: &Ops) -> Jobs {
    jobs.register::<MakePartitions>(ops.clone())
        .schedule("10 * * * *", MakePartitions {})
        .register::<ApplyRetention>(ops.clone())
        .schedule("20 3 * * *", ApplyRetention {})
        .register::<PurgeDeleted>(ops.clone())
        .schedule("40 3 * * *", PurgeDeleted {})
        .register::<NoteAuditAnchor>(ops.clone())
        .schedule("5 * * * *", NoteAuditAnchor {})
}
