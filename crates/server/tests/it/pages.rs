//! The web app as the program serves it.

use http::header::{CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use lyceum_testkit::{ServerProcess, http_client};
use reqwest::{Method, StatusCode};
use serde_json::Value;

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

#[tokio::test]
async fn a_program_whose_base_url_is_wrong_is_told_where_to_ask() {
    let data = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(program(), data.path(), &SETTINGS).await.unwrap();
    let client = http_client().unwrap();
    for (method, path, words) in [
        (
            Method::POST,
            "/chat/completions",
            "ask at /v1/chat/completions: their base URL ends in /v1.",
        ),
        (Method::POST, "/completions", "ask at /v1/completions: their base URL ends in /v1."),
        (Method::POST, "/api/embeddings", "ask at /v1/embeddings: their base URL ends in /v1."),
        (Method::POST, "/messages", "ask at /v1/messages. Anthropic's own add /v1 themselves:"),
        (Method::PUT, "/somewhere", "The API is below /api/v1, and"),
    ] {
        let url = format!("{}{path}", server.base_url);
        let answer = client.request(method.clone(), url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let document: Value = answer.json().await.unwrap();
        let error = &document["error"];
        assert_eq!(error["code"], "not_found", "{document}");
        let is_anthropics = path == "/messages";
        assert_eq!(document["type"] == "error", is_anthropics, "{document}");
        let kind = if is_anthropics { "not_found_error" } else { "invalid_request_error" };
        assert_eq!(error["type"], kind, "{document}");
        let told = error["message"].as_str().unwrap();
        assert!(told.starts_with(&format!("There is nothing at {method} {path}. ")), "{told}");
        assert!(told.contains(words), "{told}");
    }
    // Below the API its own form stays, and whatever is only read is a page.
    let url = format!("{}/api/v1/nowhere", server.base_url);
    let problem: Value = client.post(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(problem["detail"], "There is no such address.");
    let url = format!("{}/chat/completions", server.base_url);
    let page = client.get(url).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    server.stop().await.unwrap();
}
