//! The writer's connection.

use std::io;
use std::time::Duration;

use lyceum_store::Db;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::{Holder, store};

/// The longest that connecting may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries to connect, at most.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection of the writer's own that stays in the maintenance role, so that a batch is one
/// statement and one commit, and holds a lock of a new key, by which what this process reserves is
/// known to be wanted. It goes with the connection, also where the process is killed.
pub(super) async fn connect(db: &Db, holder: &Holder) -> Result<PgConnection, sqlx::Error> {
    // Not one of the pool, whose runtime is another one.
    let reached = tokio::time::timeout(TIMEOUT, reach(&db.pool().connect_options())).await;
    let mut connection = reached.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    // The random half of an id; never 0.
    let (_, random) = lyceum_core::new_id().as_u64_pair();
    let key = random.cast_signed() | 1;
    match store::prepare(&mut connection, key).await {
        Ok(()) => {
            holder.set(key);
            Ok(connection)
        }
        Err(error) => {
            drop(connection.close().await);
            Err(error)
        }
    }
}

/// Connects, as soon as a server that starts anew or has no place left lets it.
async fn reach(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut pause = Duration::from_millis(50);
    loop {
        match PgConnection::connect_with(options).await {
            Err(error) if may_pass(&error) => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause = (2 * pause).min(PAUSE);
    }
}

/// Whether a server that refuses to be connected with will take it back: nobody listens, it starts or
/// stops (57P03), or there are too many connections (53300).
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => {
            matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
        }
        error => {
            let code = error.as_database_error().and_then(|error| error.code());
            matches!(code.as_deref(), Some("57P03" | "53300"))
        }
    }
}

/// Whether the connection is no more (or never was) rather than the statement refused: class 08,
/// or the server ends it (57P01 to 57P05).
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error.as_database_error() {
        None => true,
        Some(error) => {
            error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
    }
}
