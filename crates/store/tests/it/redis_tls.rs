//! Redis over TLS: whose certificate is accepted, and what is said where none is.

use std::path::Path;

use lyceum_store::redis::cmd;
use lyceum_store::{Redis, RedisError, RedisSettings};
use lyceum_testkit::{Authority, RedisServer};

use crate::redis::{PATIENCE, until};

const PASSWORD: &str = "sesame";
const HERE: &str = "127.0.0.1";

async fn connect(url: &str, ca_file: Option<&Path>) -> Result<Redis, RedisError> {
    let ca_file = ca_file.map(Path::to_owned);
    Redis::connect(RedisSettings { url: url.to_owned(), ca_file, patience: PATIENCE }).await
}

/// The error of a start that is refused.
async fn refusal(url: &str, ca_file: Option<&Path>) -> String {
    let error = connect(url, ca_file).await.err().unwrap();
    without_password(format!("{error} {error:?}"))
}

/// The status of one that is away.
async fn absence(url: &str, ca_file: Option<&Path>) -> String {
    let status = connect(url, ca_file).await.unwrap().status();
    assert_eq!(status.health, None, "{status:?}");
    without_password(format!("{status:?}"))
}

fn without_password(text: String) -> String {
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

#[tokio::test]
async fn a_server_whose_authority_is_named_is_used() {
    let authority = Authority::create();
    let issued = authority.issue(&[HERE, "localhost"]);
    let server = RedisServer::with_tls(&issued, PASSWORD).await;
    for host in [HERE, "localhost"] {
        let redis = connect(&server.tls_url(host), Some(authority.file())).await.unwrap();
        until(&redis, true).await;
        let key = Redis::key(host);
        redis.ask::<()>(cmd("SET").arg(&key).arg("hello")).await.unwrap();
        assert_eq!(redis.ask::<String>(cmd("GET").arg(&key)).await.unwrap(), "hello");
        without_password(format!("{:?}", redis.status()));
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (authority, other) = (Authority::create(), Authority::create());
    let server = RedisServer::with_tls(&authority.issue(&[HERE]), PASSWORD).await;
    // The system's, or one that is named.
    for trusted in [None, Some(other.file())] {
        let error = refusal(&server.tls_url(HERE), trusted).await;
        assert!(error.contains("from no authority that is trusted here"), "{error}");
        assert!(error.contains("redis.ca_file") && error.contains(HERE), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::create();
    let server = RedisServer::with_tls(&authority.issue(&["redis.example.org"]), PASSWORD).await;
    for host in [HERE, "localhost"] {
        let error = refusal(&server.tls_url(host), Some(authority.file())).await;
        assert!(error.contains("its certificate is not accepted"), "{error}");
        assert!(error.contains(host) && error.contains("redis.example.org"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_expired_is_not_accepted_and_keeps_nobody_from_starting() {
    let authority = Authority::create();
    let server = RedisServer::with_tls(&authority.issue_expired(&[HERE]), PASSWORD).await;
    let status = absence(&server.tls_url(HERE), Some(authority.file())).await;
    assert!(status.contains("its certificate has expired"), "{status}");
}

#[tokio::test]
async fn checking_certificates_cannot_be_switched_off() {
    let authority = Authority::create();
    let server = RedisServer::with_tls(&authority.issue(&[HERE]), PASSWORD).await;
    for ca_file in [None, Some(authority.file())] {
        let error = refusal(&format!("{}/#insecure", server.tls_url(HERE)), ca_file).await;
        assert!(error.contains("always checked"), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty) = (folder.path().join("missing.pem"), folder.path().join("empty.pem"));
    std::fs::write(&empty, "no certificate").unwrap();
    let authority = Authority::create();
    for (url, file, reason) in [
        ("rediss://:sesame@127.0.0.1:1", missing.as_path(), "No such file"),
        ("rediss://:sesame@127.0.0.1:1", empty.as_path(), "no certificate in PEM"),
        ("redis://:sesame@127.0.0.1:1", authority.file(), "begins with rediss://"),
    ] {
        let error = refusal(url, Some(file)).await;
        assert!(error.contains(reason), "{error}");
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn an_address_that_leaves_out_tls_or_adds_it_is_told() {
    let authority = Authority::create();
    let encrypted = RedisServer::with_tls(&authority.issue(&[HERE]), PASSWORD).await;
    let status = absence(&encrypted.tcp_url(PASSWORD), None).await;
    assert!(status.contains("its address begins with rediss://"), "{status}");
    let plain = RedisServer::start().await;
    let status = absence(&plain.tls_url(HERE), Some(authority.file())).await;
    assert!(status.contains("its address begins with redis://"), "{status}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_clients_certificate_is_told() {
    let authority = Authority::create();
    let server = RedisServer::with_tls(&authority.issue(&[HERE]), PASSWORD).await;
    let admin = server.connect().await;
    let file = authority.file().to_str().unwrap();
    for (setting, value) in [("tls-ca-cert-file", file), ("tls-auth-clients", "yes")] {
        let set = cmd("CONFIG").arg("SET").arg(setting).arg(value).to_owned();
        admin.ask::<()>(&set).await.unwrap();
    }
    let status = absence(&server.tls_url(HERE), Some(authority.file())).await;
    assert!(status.contains("set tls-auth-clients no"), "{status}");
}
