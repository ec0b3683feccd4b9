//! Where everything is kept: the PostgreSQL pool and its acting-as transactions, the migrations,
//! the audit log, encryption of secrets, the cache, the object store, the dictionary of the
//! full-text indexes, the private PostgreSQL cluster, and the Redis that nodes may share.
//!
//! Invariants: no query runs outside a transaction that states who acts; the program never acts as
//! a role that bypasses row-level security.

mod acting;
pub mod audit;
pub mod cache;
pub mod cluster;
pub mod crypto;
mod db;
mod error;
mod listen;
mod migrate;
mod objects;
pub mod redis;
mod remembered;
mod segmenter;

pub use acting::{current_client_ip, with_client};
pub use cache::Cache;
pub use crypto::{CryptoError, Keyring, MasterKeys, Sealed};
pub use db::{Db, Tx};
pub use error::{StoreError, constraint};
pub use listen::Heard;
pub use migrate::migrate;
pub use objects::{ObjectError, Objects, StoredObject};
pub use redis::{Redis, RedisError, RedisSettings};
pub use remembered::Remembered;
pub use segmenter::{content_words, distinct_words, is_chinese, jieba};
