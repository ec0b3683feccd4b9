//! Limits of the running program: uploads that are too large or find no room, and clients that
//! hold a connection without a request.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use futures::stream;
use lyceum_testkit::{ServerProcess, Session};
use reqwest::{Body, Method, StatusCode, multipart};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{SETTINGS, knowledge_base, program};

/// Uploads a text of `megabytes` as a stream without a length.
async fn upload_stream(person: &Session, base: &str, megabytes: usize) -> (StatusCode, Value) {
    let chunk = Bytes::from(b"All work and no play. \n".repeat(1_000_000 / 23));
    let size = chunk.len();
    let chunks = stream::iter((0..megabytes).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    assert!(size > 900_000);
    let part = multipart::Part::stream(Body::wrap_stream(chunks)).file_name("long.txt");
    let answer = person
        .request(Method::POST, &format!("/api/v1/knowledge-bases/{base}/documents"))
        .multipart(multipart::Form::new().part("file", part))
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Files that uploads left behind, finished or not.
fn stored_files(data: &Path) -> usize {
    fn count(folder: &Path) -> usize {
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&data.join("objects"))
}

#[tokio::test]
async fn a_file_of_200_mb_is_refused_and_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(program(), data.path(), &SETTINGS).await.unwrap();
    let admin = server.set_up().await.unwrap();
    let base = knowledge_base(&admin, "b").await.unwrap();
    let (status, problem) = upload_stream(&admin, &base, 220).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
    assert_eq!(problem["code"], "file_too_large");
    assert_eq!(stored_files(data.path()), 0);
}

#[tokio::test]
async fn an_upload_that_finds_no_room_says_so_and_leaves_nothing() {
    let data = tempfile::tempdir().unwrap();
    // Stands for a full disk: no file of the process may grow beyond 32 or 64 MiB, by the
    // shell (PostgreSQL's are
    // smaller), and writing on fails as it does where the disk is full.
    let limited = data.path().join("limited.sh");
    let script = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f 65536\nexec '{}' \"$@\"\n",
        program().display()
    );
    std::fs::write(&limited, script).unwrap();
    std::fs::set_permissions(&limited, PermissionsExt::from_mode(0o755)).unwrap();
    let folder = data.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let server = ServerProcess::start(&limited, &folder, &SETTINGS).await.unwrap();
    let admin = server.set_up().await.unwrap();
    let base = knowledge_base(&admin, "b").await.unwrap();
    let (status, problem) = upload_stream(&admin, &base, 80).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{problem}");
    assert_eq!(problem["code"], "storage_full");
    assert_eq!(stored_files(&folder), 0);
    let listed = admin.get(&format!("/api/v1/knowledge-bases/{base}/documents")).await.unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 0);
    let (status, document) = upload_stream(&admin, &base, 1).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{document}");
}

#[tokio::test]
async fn a_head_that_never_ends_is_hung_up_on() {
    let data = tempfile::tempdir().unwrap();
    let settings = [SETTINGS[0], ("LYCEUM_SERVER__HEAD_TIMEOUT_SECONDS", "1")];
    let server = ServerProcess::start(program(), data.path(), &settings).await.unwrap();
    let address = server.base_url.trim_start_matches("http://");
    let mut stalled = TcpStream::connect(address).await.unwrap();
    stalled.write_all(b"GET / HTTP/1.1\r\nHost: lyceum\r\nX-Slow: ").await.unwrap();
    let mut answer = Vec::new();
    // Without the limit this would wait until the test runner ends it.
    stalled.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}
