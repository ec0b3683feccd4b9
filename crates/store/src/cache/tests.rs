use std::convert::Infallible;
use std::time::Duration;

use uuid::Uuid;

use super::*;

fn key(number: u8) -> Key {
    INFERENCE.of_hash(&[number; 32])
}

/// One that is told of changes, as by `follow`.
fn hearing() -> Cache {
    let cache = Cache::default();
    cache.inner.hears.store(true, Ordering::SeqCst);
    cache
}

async fn read(cache: &Cache, value: u32) -> u32 {
    let read = async { Ok::<_, Infallible>(value) };
    cache.read_through(&PREFERENCES.of_id(Uuid::nil()), read).await.unwrap()
}

#[tokio::test]
async fn an_entry_lives_as_long_as_its_key_says() {
    let cache = Cache::default();
    cache.put(&key(1), Bytes::from_static(b"long")).await;
    cache.put(&key(2).living(Duration::from_nanos(1)), Bytes::from_static(b"short")).await;
    assert_eq!(cache.get(&key(1)).await.unwrap(), "long");
    assert!(cache.get(&key(2)).await.is_none());
    assert!(cache.get(&key(3)).await.is_none());
    cache.remove(&key(1)).await;
    assert!(cache.get(&key(1)).await.is_none());
}

#[tokio::test]
async fn more_than_fits_is_not_kept() {
    let most = 100_000;
    let cache = Cache::of_bytes(most);
    for number in 0..100 {
        cache.put(&key(number), Bytes::from(vec![0; 10_000])).await;
    }
    let size = cache.size().await;
    assert!(size > most / 2 && size <= most, "{size} of {most}");
    cache.put(&key(200), Bytes::from(vec![0; 200_000])).await;
    assert!(cache.size().await <= most);
    assert!(cache.get(&key(200)).await.is_none());
}

#[tokio::test]
async fn what_is_read_is_remembered_until_it_is_told_to_have_changed() {
    let cache = hearing();
    assert_eq!(read(&cache, 1).await, 1);
    assert_eq!(read(&cache, 2).await, 1);
    cache.forget(PREFERENCES.of_id(Uuid::nil()).text()).await;
    assert_eq!(read(&cache, 3).await, 3);
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let cache = hearing();
    let key = PREFERENCES.of_id(Uuid::nil());
    let overtaken = async {
        cache.forget(key.text()).await;
        Ok::<_, Infallible>(1)
    };
    assert_eq!(cache.read_through(&key, overtaken).await.unwrap(), 1);
    assert_eq!(read(&cache, 2).await, 2);
}

#[tokio::test]
async fn who_hears_nothing_remembers_nothing() {
    let cache = Cache::default();
    assert_eq!(read(&cache, 1).await, 1);
    assert_eq!(read(&cache, 2).await, 2);
}
