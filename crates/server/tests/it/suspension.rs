//! What a person had open when they were suspended.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use lyceum_testkit::Session;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::world::{World, id};

/// An event stream that has said something.
async fn open(person: &Session, path: &str) -> Response {
    let mut stream = person.request(Method::GET, path).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK, "{path}");
    assert!(stream.chunk().await.unwrap().is_some(), "{path}");
    stream
}

#[tokio::test]
async fn open_streams_of_a_suspended_person_end_and_those_of_others_go_on() {
    let world = World::new().await.unwrap();
    let mut streams = Vec::new();
    for person in [&world.alice, &world.bob] {
        let model = world.model(person, "gated").await.unwrap().model;
        let conversation = json!({ "model_config_id": model });
        let conversation = person.post("/api/v1/conversations", conversation).await.unwrap();
        let path = format!("/api/v1/conversations/{}/messages", id(&conversation).unwrap());
        let sent = person.post(&path, json!({ "content": "slow" })).await.unwrap();
        let answer = format!("/api/v1/messages/{}/events", id(&sent["assistant_message"]).unwrap());
        let body = json!({ "name": "k", "permissions": ["conversation:read", "usage:read"] });
        let key = person.post("/api/v1/api-keys", body).await.unwrap();
        let key = person.with_key(key["key"].as_str().unwrap());
        for (person, path) in [(person, &*answer), (person, "/api/v1/live/events"), (&key, &answer)]
        {
            streams.push(open(person, path).await);
        }
    }
    let of_bob = streams.split_off(3);

    let me = world.alice.get("/api/v1/me").await.unwrap();
    let path = format!("/api/v1/users/{}", id(&me).unwrap());
    world.admin.send(Method::PATCH, &path, json!({ "status": "suspended" })).await.unwrap();
    // Far longer than it may take, for the machine may be busy.
    let ends = join_all(streams.into_iter().map(|s| s.bytes_stream().for_each(async |_| {})));
    tokio::time::timeout(Duration::from_secs(30), ends).await.expect("an open stream goes on");
    for stream in of_bob {
        let ends = stream.bytes_stream().for_each(async |_| {});
        let ends = tokio::time::timeout(Duration::from_millis(700), ends).await;
        assert!(ends.is_err(), "a stream of another person ended");
    }
}
