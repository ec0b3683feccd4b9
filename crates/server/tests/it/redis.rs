//! The running program with a Redis over TLS.

use std::time::Duration;

use lyceum_testkit::{Authority, RedisServer};
use serde_json::Value;

use crate::telemetry::logging_to;
use crate::world::World;

const PASSWORD: &str = "sesame";

/// What the status says of Redis.
async fn part(world: &World) -> Value {
    world.admin.get("/api/v1/system/status").await.unwrap()["parts"]["redis"].clone()
}

#[tokio::test]
async fn a_redis_over_tls_is_used_until_its_certificate_comes_from_somebody_else() {
    let authority = Authority::create();
    let mut redis = RedisServer::with_tls(&authority.issue(&["127.0.0.1"]), PASSWORD).await;
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = logging_to(folder.path());
    let (url, ca_file) = (redis.tls_url("127.0.0.1"), authority.file().to_str().unwrap());
    let settings = [("LYCEUM_REDIS__URL", url.as_str()), ("LYCEUM_REDIS__CA_FILE", ca_file)];
    let world = World::with(&program, &settings).await.unwrap();
    let used = part(&world).await;
    assert!(used["health"]["version"].is_string(), "{used}");
    redis.kill();
    redis.show(&Authority::create().issue(&["127.0.0.1"]));
    redis.start_again().await;
    let refused = "its certificate comes from no authority that is trusted here";
    let waiting = async {
        while !part(&world).await["reason"].as_str().is_some_and(|told| told.contains(refused)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it is not refused");
    let status = part(&world).await;
    assert!(status["health"].is_null() && !status.to_string().contains(PASSWORD), "{status}");
    assert!(world.server.stop().await.unwrap().success());
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("Redis is still away") && text.contains(refused), "{text}");
    assert!(!text.contains(PASSWORD), "{text}");
}
