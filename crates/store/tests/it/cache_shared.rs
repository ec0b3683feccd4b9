//! What nodes share on Redis, and what happens without it.

use std::time::Duration;

use bytes::Bytes;
use lyceum_store::cache::{INFERENCE, Key};
use lyceum_store::redis::cmd;
use lyceum_store::{Cache, Keyring, Redis, RedisSettings};
use lyceum_testkit::RedisServer;

use crate::cache::until;

const ANSWER: &[u8] = b"the answer, which nobody else may read";

fn key(number: u8) -> Key {
    INFERENCE.of_hash(&[number; 32])
}

async fn node(server: &RedisServer, keyring: &Keyring) -> (Cache, Redis) {
    let redis = server.connect().await;
    let cache = Cache::default();
    cache.share(redis.clone(), keyring.clone());
    (cache, redis)
}

async fn stored(redis: &Redis, key: &Key) -> Option<Vec<u8>> {
    redis.ask::<Option<Vec<u8>>>(cmd("GET").arg(Redis::key(key))).await.flatten()
}

#[tokio::test]
async fn what_one_node_keeps_another_finds_sealed_and_for_its_life() {
    let server = RedisServer::start().await;
    let keyring = Keyring::generate().unwrap();
    let ((one, redis), (two, _)) = (node(&server, &keyring).await, node(&server, &keyring).await);
    let (long, short) = (key(1), key(2).living(Duration::from_millis(300)));
    assert!(two.get(&long).await.is_none());
    for key in [&long, &short] {
        one.put(key, Bytes::from_static(ANSWER)).await;
        until(async || stored(&redis, key).await.is_some()).await;
    }
    assert_eq!(two.get(&long).await.unwrap(), ANSWER);
    let sealed = stored(&redis, &long).await.unwrap();
    assert!(!sealed.windows(10).any(|bytes| ANSWER.windows(10).any(|plain| plain == bytes)));
    let left: i64 = redis.ask(cmd("PTTL").arg(Redis::key(&long))).await.unwrap();
    assert!((500_000..=600_000).contains(&left), "{left}");
    until(async || stored(&redis, &short).await.is_none()).await;
    until(async || two.get(&short).await.is_none()).await;
    // It lies in the memory of the second node now, too.
    redis.ask::<()>(&cmd("FLUSHALL")).await.unwrap();
    assert_eq!(two.get(&long).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn what_was_put_elsewhere_or_by_somebody_else_is_none() {
    let server = RedisServer::start().await;
    let keyring = Keyring::generate().unwrap();
    let (one, redis) = node(&server, &keyring).await;
    one.put(&key(1), Bytes::from_static(ANSWER)).await;
    until(async || stored(&redis, &key(1)).await.is_some()).await;
    let (stranger, _) = node(&server, &Keyring::generate().unwrap()).await;
    assert!(stranger.get(&key(1)).await.is_none());
    let (two, _) = node(&server, &keyring).await;
    let sealed = stored(&redis, &key(1)).await.unwrap();
    let mut changed = sealed.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (number, forged) in
        [(2, sealed.as_slice()), (3, &changed), (4, &[]), (5, &[200]), (6, ANSWER)]
    {
        let mut command = cmd("SET");
        command.arg(Redis::key(key(number))).arg(forged).arg("PX").arg(60_000);
        redis.ask::<()>(&command).await.unwrap();
        assert!(two.get(&key(number)).await.is_none(), "{number}");
    }
    assert_eq!(two.get(&key(1)).await.unwrap(), ANSWER);
}

#[tokio::test]
async fn a_redis_that_is_gone_or_silent_is_a_miss_and_nobody_waits_for_it() {
    let mut server = RedisServer::start().await;
    let keyring = Keyring::generate().unwrap();
    let (one, redis) = node(&server, &keyring).await;
    one.put(&key(1), Bytes::from_static(ANSWER)).await;
    until(async || stored(&redis, &key(1)).await.is_some()).await;
    server.kill();
    assert!(one.get(&key(2)).await.is_none());
    one.put(&key(3), Bytes::from_static(ANSWER)).await;
    for number in [1, 3] {
        assert_eq!(one.get(&key(number)).await.unwrap(), ANSWER);
    }
    server.start_again().await;
    until(async || redis.is_up()).await;
    one.put(&key(4), Bytes::from_static(ANSWER)).await;
    until(async || stored(&redis, &key(4)).await.is_some()).await;

    // One that holds its connections and answers nobody.
    let patience = Duration::from_millis(50);
    let settings = RedisSettings { url: server.url(), ca_file: None, patience };
    let (impatient, other) = (Redis::connect(settings).await.unwrap(), Cache::default());
    other.share(impatient.clone(), keyring);
    until(async || impatient.is_up()).await;
    server.hang();
    let asked = async { other.get(&key(4)).await };
    let found = tokio::time::timeout(Duration::from_secs(5), asked).await;
    assert!(found.expect("it waits").is_none());
    server.go_on();
    until(async || other.get(&key(4)).await.is_some()).await;
}
