use std::time::Duration;

use futures::StreamExt as _;
use lyceum_llm::dify::DifyClient;
use lyceum_llm::{ChatEvent, ChatModel as _, ChatRequest, LlmError};
use serde_json::json;

use crate::wire::{KEY, Reply, Wire, ask, everything, golden_json, golden_stream, question};

const ANSWER: &str = "event: ping\n\ndata: {\"event\": \"message_end\", \"task_id\": \"t\", \
                      \"message_id\": \"m\", \"metadata\": {}}\n\n";

#[tokio::test]
async fn a_conversation_is_one_question_and_its_pictures_are_uploaded() {
    let wire = Wire::start().await;
    let client = DifyClient::at(wire.at(""));
    wire.will(Reply::of(ANSWER));
    ask(&client, everything("app")).await;
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/chat-messages");
    assert_eq!(seen.header("authorization"), format!("Bearer {KEY}"));
    golden_json("dify.request.json", &seen.json());

    let parts = json!([{"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let request: ChatRequest = serde_json::from_value(json!({"model": "app", "user": "ada",
        "messages": [{"role": "user", "content": parts}], "inputs": {"tone": "dry"}}))
    .unwrap();
    wire.will(Reply::of(json!({"id": "file-1"}).to_string())).will(Reply::of(ANSWER));
    assert!(ask(&client, request).await.1.is_none());
    let seen = wire.seen();
    let upload = &seen[1];
    assert_eq!(upload.call, "POST /v1/files/upload");
    assert!(upload.header("content-type").starts_with("multipart/form-data; boundary="));
    let body = String::from_utf8_lossy(&upload.body).into_owned();
    assert!(body.contains("name=\"user\"\r\n\r\nada\r\n"), "{body}");
    assert!(body.contains("filename=\"file.png\"\r\nContent-Type: image/png\r\n\r\n"), "{body}");
    let asked = seen[2].json();
    assert_eq!(asked["inputs"], json!({"tone": "dry"}));
    assert_eq!(asked["query"], "What is this?");
    let files = json!([
        {"type": "image", "transfer_method": "local_file", "upload_file_id": "file-1"},
        {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/a.png"}]);
    assert_eq!(asked["files"], files);
}

#[tokio::test]
async fn streams_are_read_however_they_are_cut() {
    let wire = Wire::start().await;
    let client = DifyClient::at(wire.at("/v1"));
    golden_stream(&wire, &client, "dify").await;
}

#[tokio::test]
async fn failures_inside_a_stream_of_status_200_are_what_they_say() {
    for (event, code) in [
        (json!({"status": 400, "code": "provider_quota_exceeded", "message": "no quota"}), 402),
        (json!({"status": 400, "code": "completion_request_error", "message": "x"}), 502),
        (json!({"status": 401, "code": "unauthorized", "message": "x"}), 401),
        (json!({"status": 500, "code": "internal_server_error", "message": "x"}), 500),
        (json!({"status": 400, "code": "invalid_param", "message": "x"}), 400),
    ] {
        let wire = Wire::start().await;
        let mut event = event;
        event["event"] = json!("error");
        wire.will(Reply::of(format!("event: ping\n\ndata: {event}\n\n")));
        let failure = ask(&DifyClient::at(wire.at("")), question("app")).await.1.unwrap();
        let found = match failure {
            LlmError::NoCredit(_) => 402,
            LlmError::Unauthorized(_) => 401,
            LlmError::Rejected(_) => 400,
            LlmError::Provider { status, .. } => status,
            other => panic!("{other}"),
        };
        assert_eq!(found, code, "{event}");
    }
}

#[tokio::test]
async fn a_moderated_answer_says_so() {
    let wire = Wire::start().await;
    let body = "data: {\"event\":\"message\",\"message_id\":\"m\",\"answer\":\"bad\"}\n\n\
                data: {\"event\":\"message_replace\",\"message_id\":\"m\",\"answer\":\"No.\"}\n\n\
                data: {\"event\":\"message_end\",\"message_id\":\"m\",\"metadata\":{}}\n\n";
    wire.will(Reply::of(body));
    let (events, _) = ask(&DifyClient::at(wire.at("")), question("app")).await;
    assert!(events.ends_with("text \"\\n\\nNo.\"\nfinished ContentFilter None"), "{events}");
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_stopped() {
    let wire = Wire::start().await;
    let body = "data: {\"event\":\"message\",\"task_id\":\"t-9\",\"message_id\":\"m\",\
                \"answer\":\"a\"}\n\n";
    wire.will(Reply::of(format!("{body}{body}")));
    let mut request = question("app");
    request.extra.insert("user".to_owned(), json!("ada"));
    let mut stream = DifyClient::at(wire.at("")).chat(request).await.unwrap();
    while !matches!(stream.next().await, Some(Ok(ChatEvent::Text(_)))) {}
    drop(stream);
    let stopped = async {
        while wire.seen().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stopped).await.unwrap();
    let seen = wire.last();
    assert_eq!(seen.call, "POST /v1/chat-messages/t-9/stop");
    assert_eq!(seen.json(), json!({"user": "ada"}));
}

#[tokio::test]
async fn a_stop_sequence_ends_the_answer_here() {
    let wire = Wire::start().await;
    let piece = |answer: &str| {
        let event = json!({"event": "message", "message_id": "m", "answer": answer});
        format!("data: {event}\n\n")
    };
    wire.will(Reply::of([piece("one E"), piece("ND two")].concat()));
    let mut request = question("app");
    request.stop = Some(json!("END"));
    let (events, failure) = ask(&DifyClient::at(wire.at("")), request).await;
    assert!(failure.is_none());
    assert_eq!(events, "started \"m\" \"app\"\ntext \"one \"\nfinished Stop None");
}

#[tokio::test]
async fn its_only_model_is_the_application() {
    let wire = Wire::start().await;
    wire.will(Reply::of(json!({"name": "Helper", "description": "", "tags": []}).to_string()));
    let client = DifyClient::at(wire.at(""));
    let listed = client.models().await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["Helper"]);
    assert_eq!(wire.last().call, "GET /v1/info");
}
