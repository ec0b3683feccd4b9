//! The web app as the program serves it.

use http::header::{CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use lyceum_testkit::{ServerProcess, http_client};
use reqwest::StatusCode;

use crate::world::{SETTINGS, program};

/// A browser takes the headers of the second answer for the page that it kept of the first.
#[tokio::test]
async fn a_page_that_is_known_already_keeps_what_it_may_do() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(program(), data.path(), &SETTINGS).await.unwrap();
    let client = http_client().unwrap();
    let url = format!("{}/chat", server.base_url);
    let first = client.get(&url).send().await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let policy = first.headers()[CONTENT_SECURITY_POLICY].clone();
    assert!(policy.to_str().unwrap().contains("script-src 'self'"));
    let known = first.headers()[ETAG].clone();
    let again = client.get(&url).header(IF_NONE_MATCH, known.clone()).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[CONTENT_SECURITY_POLICY], policy);
    assert_eq!(again.headers()[ETAG], known);
    server.stop().await.unwrap();
}
