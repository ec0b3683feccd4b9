//! Every address of the domain, called with somebody else's ids, answers as if they did not exist.

use serde_json::{Value, json};
use utoipa::openapi::path::Operation;

use crate::support::App;

#[tokio::test]
async fn foreign_ids_are_unknown_on_every_route() {
    let app = App::new().await;
    let owner = &app.client;
    let id = owner.conversation(json!({ "title": "private" })).await;
    let answer = owner.answer(&id, "secret").await;
    let put = json!({ "value": 1 });
    owner.call("PUT", &format!("/conversations/{id}/configs/a"), Some(put)).await.expect(200);
    let before = owner.get(&format!("/conversations/{id}")).await;

    let stranger = lyceum_testkit::admin(&app.database.db, "eve").await;
    let stranger = app.node.client(stranger);
    let own = stranger.conversation(json!({})).await;
    let mut called = 0;
    for (method, path) in routes(&app) {
        let Some(body) = body_for(&method, &path, &answer) else { continue };
        let target =
            if path.starts_with("/messages") { answer["id"].as_str().unwrap() } else { &id };
        let path = path.replace("{id}", target).replace("{key}", "a");
        let reply = stranger.call(&method, &path, body).await;
        assert_eq!(reply.status, 404, "{method} {path}: {}", reply.body);
        assert_eq!(reply.body["code"], "not_found", "{method} {path}");
        called += 1;
    }
    assert_eq!(called, 12);
    // A foreign message is no parent and no leaf either.
    let send = json!({ "content": "x", "parent_id": answer["id"] });
    let path = format!("/conversations/{own}/messages");
    stranger.call("POST", &path, Some(send)).await.expect_problem(404, "not_found");
    let leaf = format!("{path}?leaf={}", answer["id"].as_str().unwrap());
    stranger.call("GET", &leaf, None).await.expect_problem(404, "not_found");
    let leaf = json!({ "message_id": answer["id"] });
    let path = format!("/conversations/{own}/active-leaf");
    stranger.call("PATCH", &path, Some(leaf)).await.expect_problem(404, "not_found");

    assert_eq!(stranger.get("/conversations?q=secret").await["items"], json!([]));
    assert_eq!(owner.get(&format!("/conversations/{id}")).await, before);
}

/// Method and path of every route, from the contract itself, so that a new one cannot be missed.
fn routes(app: &App) -> Vec<(String, String)> {
    let api = lyceum_chat::router(app.node.chat.clone()).into_openapi();
    let mut routes = Vec::new();
    for (path, item) in api.paths.paths {
        let mut add = |method: &str, operation: &Option<Operation>| {
            if let Some(operation) = operation {
                assert!(operation.operation_id.is_some());
                routes.push((method.to_owned(), path.clone()));
            }
        };
        add("GET", &item.get);
        add("POST", &item.post);
        add("PUT", &item.put);
        add("PATCH", &item.patch);
        add("DELETE", &item.delete);
    }
    routes
}

/// A valid body; `None` for the routes that name no object.
fn body_for(method: &str, path: &str, answer: &Value) -> Option<Option<Value>> {
    Some(match (method, path) {
        ("GET" | "POST", "/conversations") => return None,
        ("PATCH", "/conversations/{id}") => Some(json!({ "title": "mine now" })),
        ("POST", "/conversations/{id}/messages") => Some(json!({ "content": "hello" })),
        ("PATCH", "/conversations/{id}/active-leaf") => Some(json!({ "message_id": answer["id"] })),
        ("PUT", "/conversations/{id}/configs/{key}") => Some(json!({ "value": 2 })),
        ("GET" | "DELETE", _) => None,
        ("POST", "/messages/{id}/regenerate" | "/messages/{id}/stop") => None,
        other => panic!("the route {other:?} has no case here"),
    })
}
