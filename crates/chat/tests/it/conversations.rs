use serde_json::json;

use crate::support::{App, Step};

#[tokio::test]
async fn a_conversation_is_made_changed_and_deleted() {
    let App { client, .. } = &App::new().await;
    let made = client.call("POST", "/conversations", Some(json!({}))).await.expect(201);
    assert_eq!(made["title"], "");
    assert_eq!(made["kind"], "chat");
    assert_eq!(made["message_count"], 0);
    let path = format!("/conversations/{}", made["id"].as_str().unwrap());

    let change = json!({ "title": " 年假规定 ", "is_favorite": true, "archived": true });
    let changed = client.call("PATCH", &path, Some(change)).await.expect(200);
    assert_eq!(changed["title"], "年假规定");
    assert_eq!(changed["title_source"], "user");
    assert_eq!(changed["is_favorite"], true);
    assert!(changed["archived_at"].is_string());
    let back = client.call("PATCH", &path, Some(json!({ "archived": false }))).await.expect(200);
    assert!(back.get("archived_at").is_none());
    assert_eq!(back["title"], "年假规定");

    client.call("DELETE", &path, None).await.expect(204);
    client.call("GET", &path, None).await.expect_problem(404, "not_found");
    client.call("DELETE", &path, None).await.expect_problem(404, "not_found");
    assert_eq!(client.get("/conversations").await["items"], json!([]));
}

#[tokio::test]
async fn wrong_values_are_refused_with_a_reason() {
    let App { client, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}");
    for (change, status, code) in [
        (json!({ "title": "" }), 422, "invalid_title"),
        (json!({ "title": "x".repeat(201) }), 422, "invalid_title"),
        (json!({ "title": "a\u{0}b" }), 422, "nul_character"),
        (json!({ "titel": "a" }), 422, "invalid_field"),
        (json!({ "knowledge_base_ids": [id] }), 404, "not_found"),
    ] {
        client.call("PATCH", &path, Some(change.clone())).await.expect_problem(status, code);
    }
    let unknown = json!({ "model_config_id": id });
    assert_eq!(client.call("PATCH", &path, Some(unknown)).await.status, 404);
    client
        .call("GET", "/conversations?cursor=%25", None)
        .await
        .expect_problem(400, "invalid_cursor");
}

#[tokio::test]
async fn the_model_can_be_chosen_and_left_open_again() {
    let App { client, .. } = &App::new().await;
    let models = client.get("/models").await;
    let model = models["items"][0]["id"].as_str().unwrap();
    let id = client.conversation(json!({ "model_config_id": model })).await;
    let path = format!("/conversations/{id}");
    assert_eq!(client.get(&path).await["model_config_id"], model);
    let same = client.call("PATCH", &path, Some(json!({ "title": "x" }))).await.expect(200);
    assert_eq!(same["model_config_id"], model);
    let open = json!({ "model_config_id": null });
    let open = client.call("PATCH", &path, Some(open)).await.expect(200);
    assert!(open.get("model_config_id").is_none());
}

#[tokio::test]
async fn a_key_that_is_limited_to_another_model_neither_chooses_nor_asks_this_one() {
    let App { client, .. } = &App::new().await;
    let models = client.get("/models").await;
    let model = json!({ "model_config_id": models["items"][0]["id"] });
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}");
    let messages = format!("{path}/messages");
    let question = json!({ "content": "hello" });
    for (method, path, body) in [
        ("POST", "/conversations", &model),
        ("PATCH", path.as_str(), &model),
        ("POST", messages.as_str(), &question),
    ] {
        let limited = [("x-model", "another")];
        let reply = client.call_with(method, path, Some(body.clone()), &limited).await;
        reply.expect_problem(403, "model_not_allowed");
    }
    assert!(client.page(&id, "").await.is_empty());
    // The right one may.
    let limited = [("x-model", "scripted")];
    let sent = client.call_with("POST", &messages, Some(question), &limited).await.expect(201);
    let answer = sent["assistant_message"]["id"].as_str().unwrap();
    assert_eq!(client.done(answer).await["status"], "completed");
    let again = format!("/messages/{answer}/regenerate");
    let refused = client.call_with("POST", &again, None, &[("x-model", "another")]).await;
    refused.expect_problem(403, "model_not_allowed");
}

#[tokio::test]
async fn the_list_pages_by_last_activity_and_filters() {
    let App { client, .. } = &App::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(client.conversation(json!({ "title": format!("talk {number}") })).await);
    }
    // Writing moves a conversation to the front.
    client.answer(&ids[1], "hello").await;
    let mut seen = Vec::new();
    let mut path = "/conversations?limit=2".to_owned();
    loop {
        let page = client.get(&path).await;
        for item in page["items"].as_array().unwrap() {
            seen.push(item["id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/conversations?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    let wanted: Vec<String> = [1, 4, 3, 2, 0].iter().map(|index| ids[*index].clone()).collect();
    assert_eq!(seen, wanted);

    let patch = |id: &str, body| {
        let path = format!("/conversations/{id}");
        async move { client.call("PATCH", &path, Some(body)).await.expect(200) }
    };
    patch(&ids[0], json!({ "archived": true })).await;
    patch(&ids[2], json!({ "is_favorite": true })).await;
    let count = async |query: &str| {
        let page = client.get(&format!("/conversations?{query}")).await;
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 4);
    assert_eq!(count("archived=true").await, 1);
    assert_eq!(count("favorite=true").await, 1);
    assert_eq!(count("favorite=false").await, 3);
}

#[tokio::test]
async fn search_finds_words_in_titles_and_messages_in_both_languages() {
    let app = App::new().await;
    let client = &app.client;
    let leave = client.conversation(json!({ "title": "员工年假规定" })).await;
    let other = client.conversation(json!({})).await;
    app.node.model.will([Step::Say("向量索引由 HNSW 建立。")]);
    client.answer(&other, "How is the ledger written?").await;

    let find = async |query: &str| -> Vec<String> {
        let page = client.get(&format!("/conversations?q={query}")).await;
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(find("%E5%B9%B4%E5%81%87").await, std::slice::from_ref(&leave));
    assert_eq!(find("%E7%B4%A2%E5%BC%95").await, std::slice::from_ref(&other));
    assert_eq!(find("LEDG").await, std::slice::from_ref(&other));
    assert_eq!(find("ledger%20hnsw").await, [] as [String; 0], "not in one message");
    assert_eq!(find("%E7%97%85%E5%81%87").await, [] as [String; 0]);
    assert_eq!(find("%27%20%7C%20!x%3A*").await, [] as [String; 0]);

    let stranger = lyceum_testkit::user(&app.database.db, "eve").await;
    let page = app.node.client(stranger).get("/conversations?q=ledger").await;
    assert_eq!(page["items"], json!([]));
    client.call("DELETE", &format!("/conversations/{other}"), None).await.expect(204);
    assert_eq!(find("ledger").await, [] as [String; 0]);
}

#[tokio::test]
async fn settings_of_a_conversation_reach_the_model() {
    let app = App::new().await;
    let client = &app.client;
    let id = client.conversation(json!({})).await;
    let path = |key: &str| format!("/conversations/{id}/configs/{key}");
    client.call("GET", &path("system_prompt"), None).await.expect_problem(404, "not_found");
    for (key, value) in [
        ("system_prompt", json!("Speak like a pirate.")),
        ("temperature", json!(0.5)),
        ("max_tokens", json!(99)),
        ("panel.width", json!({ "px": 300 })),
    ] {
        let put = client.call("PUT", &path(key), Some(json!({ "value": 1 }))).await;
        assert_eq!(put.status.is_success(), key != "system_prompt", "{key}");
        client.call("PUT", &path(key), Some(json!({ "value": value }))).await.expect(200);
        assert_eq!(client.get(&path(key)).await["value"], value);
    }
    client.answer(&id, "hello").await;
    let request = app.node.model.requests().pop().unwrap();
    assert_eq!(request.temperature, Some(0.5));
    assert_eq!(request.max_tokens, Some(99));
    assert!(app.node.model.last_prompt()[0].1.ends_with("Speak like a pirate."));

    for (key, value, code) in [
        ("Bad", json!(1), "invalid_config_key"),
        ("temperature", json!(3), "invalid_config_value"),
        ("max_tokens", json!(0), "invalid_config_value"),
        ("note", json!("\u{0}"), "nul_character"),
        (
            "note",
            json!((0..20_000).map(|n| n.to_string()).collect::<Vec<_>>()),
            "invalid_config_value",
        ),
    ] {
        let put = client.call("PUT", &path(key), Some(json!({ "value": value }))).await;
        put.expect_problem(422, code);
    }
}
