//! What is hashed. This form never changes: a new one would be a new version beside it.
//!
//! An entry's hash is the SHA-256 of `lyceum audit entry 1` and a line feed, then these columns in
//! this order: id, created_at, user_id, action, resource_type, resource_id, old_values, new_values,
//! ip_address, user_agent. Each is `-,` where it is NULL, else its length in bytes in decimal, `:`,
//! its UTF-8 text, `,`. The texts are PostgreSQL's own: a uuid in lower case with hyphens, jsonb as
//! `::text` gives it (keys sorted, numbers with the digits that were written), inet as `text()`
//! gives it (always with its mask); created_at is the whole number of microseconds since 1970 in
//! UTC. None of them depends on a setting of the session, and a dump carries each over unchanged.
//!
//! A link's hash is the SHA-256 of `lyceum audit link 1` and a line feed, then the number of the
//! link (8 bytes), the hash of the link before it (32), the entry's hash (32), the entry's id (16),
//! its time and the time of the linking (8 bytes each, microseconds since 1970). Numbers are
//! big-endian. The first link follows on 32 zero bytes; 32 zero bytes also stand for the hash of an
//! entry that was gone before it was linked.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

const ENTRY: &[u8] = b"lyceum audit entry 1\n";
const LINK: &[u8] = b"lyceum audit link 1\n";

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// What the first link follows on.
    pub(super) const ZERO: Self = Self([0; 32]);

    pub(super) fn read(row: &PgRow, column: &str) -> Result<Self, sqlx::Error> {
        let bytes: &[u8] = row.try_get(column)?;
        let hash = bytes.try_into().map_err(|_| sqlx::Error::ColumnDecode {
            index: column.to_owned(),
            source: "not 32 bytes".into(),
        })?;
        Ok(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the chain, `SEQ:HASH`. Kept outside of the database it proves that the chain up to
/// there is still the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The number of a link; 0 before the first one.
    pub seq: i64,
    /// Its hash.
    pub hash: Hash,
}

/// Text that is not an anchor.
#[derive(Debug, thiserror::Error)]
#[error("an anchor is a number, ':' and 64 hexadecimal digits, as the program shows it")]
pub struct AnchorError;

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;

    fn from_str(text: &str) -> Result<Self, AnchorError> {
        let (seq, digits) = text.trim().split_once(':').ok_or(AnchorError)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).map_err(|_| AnchorError)?;
        let seq = seq.parse().ok().filter(|seq| *seq >= 0).ok_or(AnchorError)?;
        Ok(Self { seq, hash: Hash(hash) })
    }
}

/// The columns of `ops.audit_logs l` that [`entry_hash`] reads.
macro_rules! entry_columns {
    () => {
        "l.id, l.created_at, l.user_id, l.action, l.resource_type, l.resource_id, \
         l.old_values::text AS old_values, l.new_values::text AS new_values, \
         text(l.ip_address) AS ip_address, l.user_agent"
    };
}
pub(super) use entry_columns;

/// The hash of the entry in this row; `None` where an outer join found no entry.
pub(super) fn entry_hash(row: &PgRow) -> Result<Option<Hash>, sqlx::Error> {
    let Some(id) = row.try_get::<Option<Uuid>, _>("id")? else { return Ok(None) };
    let created_at: DateTime<Utc> = row.try_get("created_at")?;
    let uuid = |column| row.try_get::<Option<Uuid>, _>(column);
    let text = |column| row.try_get::<Option<&str>, _>(column);
    let mut hasher = Sha256::new_with_prefix(ENTRY);
    let mut add = |text: Option<&str>| match text {
        Some(text) => {
            hasher.update(text.len().to_string());
            hasher.update(b":");
            hasher.update(text);
            hasher.update(b",");
        }
        None => hasher.update(b"-,"),
    };
    add(Some(&id.to_string()));
    add(Some(&created_at.timestamp_micros().to_string()));
    add(uuid("user_id")?.map(|id| id.to_string()).as_deref());
    add(text("action")?);
    add(text("resource_type")?);
    add(uuid("resource_id")?.map(|id| id.to_string()).as_deref());
    for column in ["old_values", "new_values", "ip_address", "user_agent"] {
        add(text(column)?);
    }
    Ok(Some(Hash(hasher.finalize().into())))
}

/// What a link says, but for its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) previous: Hash,
    pub(super) entry: Hash,
    pub(super) entry_id: Uuid,
    pub(super) entry_at: DateTime<Utc>,
    pub(super) linked_at: DateTime<Utc>,
}

impl Link {
    pub(super) fn hash(&self) -> Hash {
        let hasher = Sha256::new_with_prefix(LINK)
            .chain_update(self.seq.to_be_bytes())
            .chain_update(self.previous.0)
            .chain_update(self.entry.0)
            .chain_update(self.entry_id.as_bytes())
            .chain_update(self.entry_at.timestamp_micros().to_be_bytes())
            .chain_update(self.linked_at.timestamp_micros().to_be_bytes());
        Hash(hasher.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_survives_the_round_trip_and_nothing_else_is_one() {
        let anchor = Anchor { seq: 17, hash: Hash([0xab; 32]) };
        assert_eq!(anchor.to_string().parse::<Anchor>().unwrap(), anchor);
        let digits = "ab".repeat(32);
        for wrong in ["", "17", "17:", "17:ab", &format!("-1:{digits}"), &format!("x:{digits}")] {
            assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
        }
    }

    /// The form is fixed for ever; this value was computed by another program from the text above.
    #[test]
    fn the_form_of_a_link_never_changes() {
        let link = Link {
            seq: 1,
            previous: Hash::ZERO,
            entry: Hash([1; 32]),
            entry_id: Uuid::from_u128(2),
            entry_at: DateTime::from_timestamp_micros(3).unwrap(),
            linked_at: DateTime::from_timestamp_micros(4).unwrap(),
        };
        assert_eq!(
            link.hash().to_string(),
            "3b02d1ca341974c859f7d0d5430002f826e655d92c615f145bc76f940ac4daa9"
        );
    }
}
