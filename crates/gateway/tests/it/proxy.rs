//! The way out through a company's proxy, and with its certificates.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use lyceum_core::Secret;
use lyceum_http::Egress;
use lyceum_testkit::{Authority, MockUpstream, TlsFront};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{KEY, World};

const HOST: &str = "models.example.com";

/// What a proxy does with those who come.
#[derive(Clone, Copy)]
enum Manner {
    /// Takes them to this server, whichever they want.
    To(SocketAddr),
    /// Answers with this status.
    Refuse(&'static str),
}

/// A proxy that remembers what it was asked: the head of each request.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&heads), manner));
            }
        });
        Self { address, asked }
    }

    fn setting(&self) -> Option<Secret> {
        Some(Secret::new(format!("http://{}", self.address)))
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, heads: Arc<Mutex<Vec<String>>>, manner: Manner) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let server = match manner {
        Manner::To(server) => server,
        Manner::Refuse(status) => {
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            let _ = client.write_all(answer.as_bytes()).await;
            return;
        }
    };
    let mut server = TcpStream::connect(server).await.unwrap();
    match head.starts_with(b"CONNECT ") {
        true => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap(),
        false => server.write_all(&head).await.unwrap(),
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// Where an upstream listens.
fn of(upstream: &MockUpstream) -> SocketAddr {
    upstream.origin.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A provider at this address with a model; the answer to a call of it.
async fn ask(world: &World, name: &str, base_url: &str, stream: bool) -> (StatusCode, Value) {
    let patient = json!({"first_byte_timeout_seconds": 20, "idle_timeout_seconds": 20});
    let id = world.provider_of("ada", "custom", name, base_url, patient).await;
    world.model_at(&id, name, "ok").await;
    let body = json!({"model": name, "stream": stream,
        "messages": [{"role": "user", "content": "hi"}]});
    world.send("ada", "POST", "/v1/chat/completions", body).await
}

/// What the test of a provider at this address says.
async fn test(world: &World, name: &str, base_url: &str) -> Value {
    let id = world.provider_of("ada", "custom", name, base_url, json!({})).await;
    let path = format!("/api/v1/providers/{id}/test");
    let (status, answer) = world.send("ada", "POST", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// A world that goes out by `egress`.
async fn world_through(egress: Egress) -> World {
    let world = World::through(&egress).await;
    world.user("ada").await;
    world
}

#[tokio::test]
async fn calls_go_through_the_proxy_to_a_server_with_a_certificate_of_ones_own_authority() {
    let authority = Authority::create();
    let behind = MockUpstream::with_key(KEY).await;
    let front = TlsFront::start(&authority.issue(&[HOST]), of(&behind)).await;
    let proxy = Proxy::start(Manner::To(front.address)).await;
    let world = world_through(Egress {
        proxy: Some(Secret::new(format!("http://ada:s%2Fecret@{}", proxy.address))),
        ca_file: Some(authority.file().to_owned()),
        ..Egress::default()
    })
    .await;
    let url = format!("https://{HOST}/v1");
    for (name, stream) in [("whole", false), ("streamed", true)] {
        let (status, answer) = ask(&world, name, &url, stream).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(answer.to_string().contains("You"), "{answer}");
    }
    assert_eq!(behind.calls(), 2);
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for head in asked {
        assert!(head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("Basic YWRhOnMvZWNyZXQ=\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_call_that_is_not_encrypted_is_handed_to_the_proxy() {
    let behind = MockUpstream::with_key(KEY).await;
    let proxy = Proxy::start(Manner::To(of(&behind))).await;
    let world = world_through(Egress { proxy: proxy.setting(), ..Egress::default() }).await;
    let (status, answer) = ask(&world, "plain", &format!("http://{HOST}/v1"), false).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let head = proxy.asked().remove(0);
    assert!(head.starts_with(&format!("POST http://{HOST}/v1/chat/completions ")), "{head}");
}

#[tokio::test]
async fn hosts_that_were_opened_are_reached_without_the_proxy() {
    let proxy = Proxy::start(Manner::Refuse("403 Forbidden")).await;
    let world = world_through(Egress { proxy: proxy.setting(), ..Egress::default() }).await;
    let (status, answer) = ask(&world, "near", &world.upstream.base_url, false).await;
    assert_eq!((status, proxy.asked().len()), (StatusCode::OK, 0), "{answer}");
}

#[tokio::test]
async fn the_proxy_does_not_open_private_networks() {
    let proxy = Proxy::start(Manner::Refuse("403 Forbidden")).await;
    let world = world_through(Egress { proxy: proxy.setting(), ..Egress::default() }).await;
    let itself = format!("http://{}/", proxy.address);
    for url in ["http://10.0.0.1/v1", "http://metadata.google.internal/", "http://wiki/", &itself] {
        let body = json!({"provider": "custom", "name": "x", "scope": "personal", "base_url": url});
        let (status, answer) = world.send("ada", "POST", "/api/v1/providers", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{url}: {answer}");
        assert_eq!(answer["code"], "private_address", "{url}");
    }
    assert_eq!(proxy.asked().len(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_away_is_told_from_the_provider() {
    for (status, words) in [
        ("407 Proxy Authentication Required", "it wants a user and a password"),
        ("403 Forbidden", "it does not let us through to this host"),
    ] {
        let proxy = Proxy::start(Manner::Refuse(status)).await;
        let world = world_through(Egress { proxy: proxy.setting(), ..Egress::default() }).await;
        let answer = test(&world, "far", &format!("https://{HOST}/v1")).await;
        let found = (&answer["ok"], &answer["code"]);
        assert_eq!(found, (&json!(false), &json!("proxy_failed")), "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("the proxy (outgoing.proxy) refused: "), "{detail}");
        assert!(detail.contains(words) && detail.ends_with("through to it."), "{detail}");
    }
    // Nothing listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://user:hunter2@{}", listener.local_addr().unwrap());
    drop(listener);
    let world = world_through(Egress { proxy: Some(Secret::new(gone)), ..Egress::default() }).await;
    for url in [format!("https://{HOST}/v1"), format!("http://{HOST}/v1")] {
        let answer = test(&world, &url, &url).await;
        assert_eq!(answer["code"], "proxy_failed", "{answer}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("the proxy (outgoing.proxy) cannot be reached: "), "{detail}");
        assert!(detail.contains("refused") && !detail.contains("hunter2"), "{detail}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_names_the_setting() {
    let authority = Authority::create();
    let behind = MockUpstream::with_key(KEY).await;
    let front = TlsFront::start(&authority.issue(&["127.0.0.2"]), of(&behind)).await;
    let url = format!("https://{}/v1", front.address);
    let world = world_through(Egress::default()).await;
    let answer = test(&world, "unknown", &url).await;
    assert_eq!(answer["code"], "provider_tls_failed", "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("outgoing.ca_file"), "{answer}");
    let ca_file = Some(authority.file().to_owned());
    let world = world_through(Egress { ca_file, ..Egress::default() }).await;
    assert_eq!(test(&world, "known", &url).await["ok"], true);
}
