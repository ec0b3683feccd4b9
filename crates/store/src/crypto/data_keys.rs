//! The data keys in the database: read at the start, which is when a wrong master key is told, and
//! again and again afterwards, because a rotation makes new ones while the program runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lyceum_core::{Clock, chain};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::cipher::Key;
use super::registry::{SEALED_COLUMNS, SealedColumn};
use super::{CryptoError, Keyring, MasterKeys, Sealed};
use crate::Db;

/// The table, for which data keys are wrapped.
const TABLE: &str = "ops.data_keys";
/// Two nodes that start on a new database make one first key; any number that nothing else locks.
const FIRST: i64 = 0x6c79_6365_756d_0003;
/// How often a node looks for new data keys.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long after its making a data key is used first, so that every node knows it by then.
pub(super) const KNOWN_AFTER: Duration = Duration::from_secs(10);

/// A row of the table.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct DataKey {
    pub(super) id: Uuid,
    pub(super) wrapped_key: Vec<u8>,
    pub(super) master_key_id: String,
    pub(super) active_from: DateTime<Utc>,
    pub(super) rotated_at: Option<DateTime<Utc>>,
}

impl DataKey {
    /// A new key, wrapped by the given master key.
    pub(super) fn make(
        masters: &MasterKeys,
        master_key_id: &str,
        active_from: DateTime<Utc>,
    ) -> Result<Self, CryptoError> {
        let id = lyceum_core::new_id();
        let master = masters.get(master_key_id).ok_or_else(|| missing(masters, master_key_id))?;
        let wrapped_key = master.seal(TABLE, id, &*Key::generate()?.0)?;
        let master_key_id = master_key_id.to_owned();
        Ok(Self { id, wrapped_key, master_key_id, active_from, rotated_at: None })
    }

    pub(super) fn unwrap(&self, masters: &MasterKeys) -> Result<Key, CryptoError> {
        let id = &self.master_key_id;
        let master = masters.get(id).ok_or_else(|| missing(masters, id))?;
        let opened = master
            .open(TABLE, self.id, &self.wrapped_key)
            .map_err(|_| CryptoError::WrongMaster(id.clone()))?;
        Key::from_slice(&opened).ok_or(CryptoError::Refused)
    }

    /// The same key, wrapped by the current master key.
    pub(super) fn wrap_anew(&self, masters: &MasterKeys) -> Result<Vec<u8>, CryptoError> {
        let key = self.unwrap(masters)?;
        let master =
            masters.get(&masters.current).ok_or_else(|| missing(masters, &masters.current))?;
        master.seal(TABLE, self.id, &*key.0)
    }

    pub(super) async fn insert(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO ops.data_keys (id, wrapped_key, master_key_id, active_from, rotated_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.id)
        .bind(&self.wrapped_key)
        .bind(&self.master_key_id)
        .bind(self.active_from)
        .bind(self.rotated_at)
        .execute(connection)
        .await
        .map(drop)
    }
}

/// All data keys, the one in use or soon in use last.
pub(super) async fn all(connection: &mut PgConnection) -> Result<Vec<DataKey>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, wrapped_key, master_key_id, active_from, rotated_at FROM ops.data_keys
         ORDER BY active_from, id",
    )
    .fetch_all(connection)
    .await
}

fn missing(masters: &MasterKeys, wanted: &str) -> CryptoError {
    let given = masters.ids().collect::<Vec<_>>().join(", ");
    CryptoError::MissingMaster { wanted: wanted.to_owned(), given }
}

impl Keyring {
    /// The keys of the database, which the master keys unwrap; makes the first data key where
    /// there is none. Refuses master keys that do not open what the database holds.
    pub async fn connect(masters: MasterKeys, db: &Db, clock: Clock) -> Result<Self, CryptoError> {
        let ring = Self::of(masters, clock);
        let mut tx = db.begin_maintenance().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(FIRST).execute(&mut *tx).await?;
        let mut keys = all(&mut tx).await?;
        for column in SEALED_COLUMNS {
            ring.check(&mut tx, column, &keys).await?;
        }
        if keys.is_empty() {
            let now = ring.clock.now();
            let mut first = DataKey::make(&ring.masters, &ring.masters.current, now)?;
            first.rotated_at = Some(now);
            first.insert(&mut tx).await?;
            keys.push(first);
        }
        tx.commit().await?;
        for key in &keys {
            ring.add(key.id.to_string(), key.active_from, key.unwrap(&ring.masters)?);
        }
        Ok(ring)
    }

    /// Learns of data keys that were made since.
    pub async fn refresh(&self, db: &Db) -> Result<(), CryptoError> {
        let mut tx = db.begin_maintenance().await?;
        let keys = all(&mut tx).await?;
        tx.commit().await?;
        for key in keys {
            let id = key.id.to_string();
            if !self.knows(&id) {
                self.add(id, key.active_from, key.unwrap(&self.masters)?);
            }
        }
        Ok(())
    }

    /// Learns of new data keys for as long as it is polled. Run it once on each node.
    pub async fn follow(&self, db: &Db) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.refresh(db).await {
                tracing::warn!(error = chain(&error), "the data keys cannot be read");
            }
        }
    }

    /// Opens one secret of each master key that sealed any directly, as was done before there were
    /// data keys.
    async fn check(
        &self,
        connection: &mut PgConnection,
        column: &SealedColumn,
        known: &[DataKey],
    ) -> Result<(), CryptoError> {
        let known: Vec<String> = known.iter().map(|key| key.id.to_string()).collect();
        let mut query = QueryBuilder::<Postgres>::new("SELECT DISTINCT ON (");
        query.push(column.key_id).push(") ").push(column.id).push(", ").push(column.sealed);
        query.push(", ").push(column.key_id).push(" FROM ").push(column.table);
        query.push(" WHERE ").push(column.sealed).push(" IS NOT NULL AND ").push(column.key_id);
        query.push(" <> ALL(").push_bind(known).push(")");
        let found: Vec<(Uuid, Vec<u8>, String)> =
            query.build_query_as().fetch_all(connection).await?;
        for (row, bytes, key_id) in found {
            match self.open(column.table, row, &Sealed { key_id: key_id.clone(), bytes }) {
                Err(CryptoError::UnknownKey(wanted)) => {
                    return Err(missing(&self.masters, &wanted));
                }
                Err(CryptoError::Refused) => return Err(CryptoError::WrongMaster(key_id)),
                opened => opened.map(drop)?,
            }
        }
        Ok(())
    }
}
