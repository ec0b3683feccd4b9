//! Data keys, master keys and the rotation of both, while others read and write.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lyceum_core::{Clock, Secret};
use lyceum_store::crypto::{Progress, rotate};
use lyceum_store::{CryptoError, Db, Keyring, MasterKeys, Sealed};
use lyceum_testkit::TestDb;
use sqlx::{ConnectOptions as _, PgConnection};
use uuid::Uuid;

const TABLE: &str = "gateway.provider_configs";

fn masters(lines: &[(&str, &str)]) -> MasterKeys {
    let text: String = lines.iter().map(|(id, two)| format!("{id} {}\n", two.repeat(32))).collect();
    MasterKeys::from_text("a test", &Secret::new(text)).unwrap()
}

async fn ring(db: &Db, keys: &MasterKeys) -> Result<Keyring, CryptoError> {
    Keyring::connect(keys.clone(), db, Clock::system()).await
}

fn id(number: u64) -> Uuid {
    Uuid::from_u128(number.into())
}

/// Writes the secret `text` as the gateway does.
async fn put(db: &Db, ring: &Keyring, number: u64, text: &str) {
    let sealed = ring.seal(TABLE, id(number), &Secret::new(text)).unwrap();
    let mut tx = db.begin_maintenance().await.unwrap();
    sqlx::query(
        "INSERT INTO gateway.provider_configs
           (id, provider, scope, name, base_url, encrypted_key, key_id, created_at, updated_at)
         VALUES ($1, 'custom', 'organization', $1::text, 'https://example.org', $2, $3, now(), now())
         ON CONFLICT (id) DO UPDATE SET encrypted_key = $2, key_id = $3",
    )
    .bind(id(number))
    .bind(sealed.bytes)
    .bind(sealed.key_id)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

async fn get(db: &Db, ring: &Keyring, number: u64) -> Result<String, CryptoError> {
    let mut tx = db.begin_maintenance().await?;
    let (bytes, key_id): (Vec<u8>, String) =
        sqlx::query_as("SELECT encrypted_key, key_id FROM gateway.provider_configs WHERE id = $1")
            .bind(id(number))
            .fetch_one(&mut *tx)
            .await?;
    let opened = ring.open(TABLE, id(number), &Sealed { key_id, bytes })?;
    Ok(opened.expose().to_owned())
}

async fn owner(db: &TestDb) -> PgConnection {
    db.owner.connect().await.unwrap()
}

/// The keys in use, each with how many secrets it seals.
async fn in_use(db: &TestDb) -> Vec<(String, i64)> {
    sqlx::query_as(
        "SELECT key_id, count(*) FROM gateway.provider_configs WHERE encrypted_key IS NOT NULL
         GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&mut owner(db).await)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_wrong_master_key_is_told_at_the_start() {
    let db = TestDb::new().await;
    let right = masters(&[("one", "ab")]);
    let first = ring(&db.db, &right).await.unwrap();
    put(&db.db, &first, 1, "sk-1").await;

    let error = ring(&db.db, &masters(&[("two", "cd")])).await.unwrap_err().to_string();
    assert!(error.contains("under the master key one, and the keys given are two"), "{error}");
    let error = ring(&db.db, &masters(&[("one", "cd")])).await.unwrap_err().to_string();
    assert!(error.contains("the master key one is not the one"), "{error}");

    let both = masters(&[("one", "ab"), ("two", "cd")]);
    let second = ring(&db.db, &both).await.unwrap();
    assert_eq!(get(&db.db, &second, 1).await.unwrap(), "sk-1");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM ops.data_keys")
        .fetch_one(&mut owner(&db).await)
        .await
        .unwrap();
    assert_eq!(count, 1, "each start found the same data key");
}

/// As every installation did before there were data keys: `sk-old` sealed by the master key itself,
/// by another implementation of AES-256-GCM.
const SEALED_DIRECTLY: &str =
    "0000000000000000000000008256792ab6e0629eefa88759da4df1f8eb2554d63126";

#[tokio::test]
async fn what_a_master_key_sealed_itself_still_opens_and_is_checked_at_the_start() {
    let db = TestDb::new().await;
    let old = masters(&[("old", "ab")]);
    let mut connection = owner(&db).await;
    sqlx::query(
        "INSERT INTO gateway.provider_configs
           (id, provider, scope, name, base_url, encrypted_key, key_id, created_at, updated_at)
         VALUES ($1, 'custom', 'organization', 'old', 'https://example.org', $2, 'old', now(), now())",
    )
    .bind(id(1))
    .bind(hex_bytes(SEALED_DIRECTLY))
    .execute(&mut connection)
    .await
    .unwrap();
    let error = ring(&db.db, &masters(&[("new", "cd")])).await.unwrap_err();
    assert!(matches!(error, CryptoError::MissingMaster { .. }), "{error}");
    let error = ring(&db.db, &masters(&[("old", "cd")])).await.unwrap_err();
    assert!(matches!(error, CryptoError::WrongMaster(_)), "{error}");
    let made: i64 = sqlx::query_scalar("SELECT count(*) FROM ops.data_keys")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(made, 0, "a wrong key leaves nothing behind");
    let ring = ring(&db.db, &old).await.unwrap();
    assert_eq!(get(&db.db, &ring, 1).await.unwrap(), "sk-old");
}

fn hex_bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_while_a_node_reads_and_writes() {
    let db = TestDb::new().await;
    let old = masters(&[("one", "ab")]);
    // A node that was started before, with the old master key only.
    let node = ring(&db.db, &old).await.unwrap();
    for number in 0..250 {
        put(&db.db, &node, number, &format!("secret {number}")).await;
    }
    let before = in_use(&db).await;
    let (following, pool) = (node.clone(), db.db.clone());
    let follower = tokio::spawn(async move { following.follow(&pool).await });
    let done = Arc::new(Mutex::new(false));
    let (writing, pool, stop) = (node.clone(), db.db.clone(), Arc::clone(&done));
    let writer = tokio::spawn(async move {
        let mut rounds = 0u64;
        while !*stop.lock().unwrap() {
            let number = rounds * 7 % 250;
            put(&pool, &writing, number, &format!("secret {number}")).await;
            let read = (rounds * 13 + 5) % 250;
            assert_eq!(get(&pool, &writing, read).await.unwrap(), format!("secret {read}"));
            rounds += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rounds
    });
    let both = masters(&[("one", "ab"), ("two", "cd")]);
    let rotated = rotate(&db.db, &both, &Clock::system(), |_| {}).await.unwrap();
    *done.lock().unwrap() = true;
    assert!(writer.await.unwrap() > 100);
    follower.abort();

    assert_eq!(rotated.removable, ["one"]);
    assert_eq!(rotated.wrapped, 2, "the old and the new data key");
    let after = in_use(&db).await;
    assert_eq!(after, [(rotated.data_key.to_string(), 250)], "before: {before:?}");
    // From now on the new master key is enough.
    let fresh = ring(&db.db, &masters(&[("two", "cd")])).await.unwrap();
    for number in 0..250 {
        assert_eq!(get(&db.db, &fresh, number).await.unwrap(), format!("secret {number}"));
        assert_eq!(get(&db.db, &node, number).await.unwrap(), format!("secret {number}"));
    }
    let noted: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ops.audit_logs WHERE action = 'rotate' AND resource_id = $1",
    )
    .bind(rotated.data_key)
    .fetch_one(&mut owner(&db).await)
    .await
    .unwrap();
    assert_eq!(noted, 1);
}

#[tokio::test]
async fn a_rotation_that_is_cut_off_goes_on_where_it_was() {
    let db = TestDb::new().await;
    let old = masters(&[("one", "ab")]);
    let node = ring(&db.db, &old).await.unwrap();
    for number in 0..450 {
        put(&db.db, &node, number, &format!("secret {number}")).await;
    }
    let both = masters(&[("one", "ab"), ("two", "cd")]);
    let (sender, mut reached) = tokio::sync::mpsc::unbounded_channel();
    let (pool, keys) = (db.db.clone(), both.clone());
    let first = tokio::spawn(async move {
        rotate(&pool, &keys, &Clock::system(), |event| {
            if matches!(event, Progress::Column { done, .. } if done >= 200) {
                let _gone = sender.send(());
            }
        })
        .await
    });
    reached.recv().await.unwrap();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let half = in_use(&db).await;
    assert_eq!(half.len(), 2, "in the middle: {half:?}");

    let mut resumed = false;
    let mut other = Err(CryptoError::Busy);
    // The server may not have noticed yet that the first one is gone.
    while matches!(other, Err(CryptoError::Busy)) {
        other = rotate(&db.db, &both, &Clock::system(), |event| {
            resumed |= event == Progress::Resumed;
        })
        .await;
    }
    let other = other.unwrap();
    assert!(resumed);
    assert!(other.secrets < 450, "{other:?}: what was done was done");
    let after = in_use(&db).await;
    assert_eq!(after, [(other.data_key.to_string(), 450)]);
    assert!(half.iter().any(|(key, _)| *key == other.data_key.to_string()), "the same new key");
    let fresh = ring(&db.db, &masters(&[("two", "cd")])).await.unwrap();
    for number in 0..450 {
        assert_eq!(get(&db.db, &fresh, number).await.unwrap(), format!("secret {number}"));
    }
}

#[tokio::test]
async fn a_secret_that_no_key_opens_is_named_and_keeps_the_rotation_open() {
    let db = TestDb::new().await;
    let keys = masters(&[("one", "ab")]);
    let node = ring(&db.db, &keys).await.unwrap();
    for number in 0..3 {
        put(&db.db, &node, number, "x").await;
    }
    let mut connection = owner(&db).await;
    sqlx::query("UPDATE gateway.provider_configs SET encrypted_key = '\\x00' WHERE id = $1")
        .bind(id(1))
        .execute(&mut connection)
        .await
        .unwrap();
    let error = rotate(&db.db, &keys, &Clock::system(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains(&id(1).to_string()), "{error}");
    sqlx::query("DELETE FROM gateway.provider_configs WHERE id = $1")
        .bind(id(1))
        .execute(&mut connection)
        .await
        .unwrap();
    let rotated = loop {
        match rotate(&db.db, &keys, &Clock::system(), |_| {}).await {
            Err(CryptoError::Busy) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(in_use(&db).await, [(rotated.data_key.to_string(), 2)]);
}
