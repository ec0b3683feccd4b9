use std::collections::BTreeSet;

use lyceum_llm::Role;
use serde_json::{Value, json};

use crate::support::{App, Step, settings};

#[tokio::test]
async fn a_question_is_answered_and_counted() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    let sent = client.call("POST", &path, Some(json!({ "content": "What is a ledger?" }))).await;
    let sent = sent.expect(201);
    let (user, assistant) = (&sent["user_message"], &sent["assistant_message"]);
    assert_eq!(user["role"], "user");
    assert_eq!(user["parent_id"], Value::Null);
    assert_eq!(user["sequence_number"], 1);
    assert_eq!(user["status"], "completed");
    assert_eq!(assistant["role"], "assistant");
    assert_eq!(assistant["parent_id"], user["id"]);
    assert_eq!(assistant["status"], "pending");
    assert_eq!(assistant["content"], "");

    let done = client.done(assistant["id"].as_str().unwrap()).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["content"], "You said: What is a ledger?");
    assert_eq!(done["finish_reason"], "stop");
    assert_eq!(done["model"], "scripted");
    assert_eq!(done["provider"], "local");
    assert_eq!(done["prompt_tokens"], 11);
    assert_eq!(done["completion_tokens"], 7);
    let conversation = client.get(&format!("/conversations/{id}")).await;
    assert_eq!(conversation["title"], "What is a ledger?");
    assert_eq!(conversation["title_source"], "auto");
    assert_eq!(conversation["status"], "completed");
    assert_eq!(conversation["message_count"], 2);
    assert_eq!(conversation["total_tokens"], 18);
    assert_eq!(conversation["active_leaf_id"], done["id"]);
    assert_eq!(client.page(&id, "").await, [user.clone(), done]);
    // The local model is left in peace: it was asked for the answer alone.
    assert_eq!(node.model.requests().len(), 1);
}

#[tokio::test]
async fn regenerating_makes_a_sibling_and_both_branches_stay() {
    let App { client, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let first = client.answer(&id, "one").await;
    let path = format!("/messages/{}/regenerate", first["id"].as_str().unwrap());
    let again = client.call("POST", &path, None).await.expect(201);
    let again = client.done(again["assistant_message"]["id"].as_str().unwrap()).await;
    assert_eq!(again["parent_id"], first["parent_id"]);
    assert_eq!(again["siblings"], json!([first["id"], again["id"]]));
    assert_eq!(client.page(&id, "").await[1]["id"], again["id"]);

    // Back to the first answer, on with it, and over to the second again.
    let leaf = |message: &Value| {
        let body = json!({ "message_id": message });
        let path = format!("/conversations/{id}/active-leaf");
        async move { client.call("PATCH", &path, Some(body)).await.expect(200) }
    };
    leaf(&first["id"]).await;
    let follow = client.answer(&id, "two").await;
    let ids = async |query: &str| -> Vec<Value> {
        client.page(&id, query).await.into_iter().map(|message| message["id"].clone()).collect()
    };
    let branch = ids("").await;
    assert_eq!(branch.len(), 4);
    assert_eq!([&branch[1], &branch[3]], [&first["id"], &follow["id"]]);
    assert_eq!(leaf(&again["id"]).await["active_leaf_id"], again["id"]);
    assert_eq!(ids("").await.last(), Some(&again["id"]));
    // Any message of a branch leads to its end.
    assert_eq!(leaf(&first["id"]).await["active_leaf_id"], follow["id"]);
    let query = format!("leaf={}", again["id"].as_str().unwrap());
    assert_eq!(ids(&query).await.last(), Some(&again["id"]));
}

#[tokio::test]
async fn editing_makes_a_sibling_of_the_question() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let root = client.answer(&id, "root").await;
    let old = client.answer(&id, "old wording").await;
    let edit = json!({ "content": "new wording", "parent_id": root["id"] });
    let (question, answer) = client.ask(&id, edit).await;
    client.done(&answer).await;
    let page = client.page(&id, "").await;
    assert_eq!(page[2]["id"].as_str(), Some(question.as_str()));
    assert_eq!(page[2]["siblings"], json!([old["parent_id"], question]));
    let said: Vec<(Role, String)> = node.model.last_prompt().into_iter().skip(1).collect();
    let expected =
        [(Role::User, "root"), (Role::Assistant, "You said: root"), (Role::User, "new wording")];
    assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));

    // Editing the very first message starts another root.
    let edit = json!({ "content": "another root", "parent_id": null });
    let (question, answer) = client.ask(&id, edit).await;
    client.done(&answer).await;
    assert_eq!(node.model.last_prompt().len(), 2);
    let page = client.page(&id, "").await;
    assert_eq!(page[0]["siblings"], json!([root["parent_id"], question]));
}

#[tokio::test]
async fn a_parent_must_be_a_finished_answer_of_the_conversation() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let other = client.conversation(json!({})).await;
    let elsewhere = client.answer(&other, "elsewhere").await;
    let answer = client.answer(&id, "here").await;
    let path = format!("/conversations/{id}/messages");
    let send = |parent: &Value| {
        let body = json!({ "content": "next", "parent_id": parent });
        async { client.call("POST", &path, Some(body)).await }
    };
    send(&json!(id)).await.expect_problem(404, "not_found");
    send(&elsewhere["id"]).await.expect_problem(404, "not_found");
    send(&answer["parent_id"]).await.expect_problem(422, "invalid_parent");
    send(&json!("x")).await.expect_problem(422, "invalid_field");
    node.model.will([Step::Gate]);
    let (_, running) = client.ask(&id, json!({ "content": "slow" })).await;
    send(&json!(running)).await.expect_problem(409, "answer_in_progress");
    let regenerate = format!("/messages/{running}/regenerate");
    client.call("POST", &regenerate, None).await.expect_problem(409, "answer_in_progress");
    assert_eq!(client.get(&format!("/conversations/{id}")).await["message_count"], 4);
}

#[tokio::test]
async fn content_is_bounded_and_must_be_storable() {
    let mut small = settings("one");
    small.max_content_chars = 100;
    let App { client, .. } = &App::with(small).await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    for (content, code) in [
        ("".to_owned(), "empty_content"),
        (" \n\t".to_owned(), "empty_content"),
        ("知".repeat(101), "content_too_long"),
        ("a\u{0}".to_owned(), "nul_character"),
    ] {
        let reply = client.call("POST", &path, Some(json!({ "content": content }))).await;
        reply.expect_problem(422, code);
    }
    let body = json!({ "content": "x", "model": "y" });
    client.call("POST", &path, Some(body)).await.expect_problem(422, "invalid_field");
    assert_eq!(client.answer(&id, &"知".repeat(100)).await["status"], "completed");
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_not_sent_twice() {
    let App { client, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    let body = json!({ "content": "once" });
    let send = async |key: &str| {
        client.call_with("POST", &path, Some(body.clone()), &[("idempotency-key", key)]).await
    };
    let first = send("k1").await.expect(201);
    client.done(first["assistant_message"]["id"].as_str().unwrap()).await;
    let repeat = send("k1").await.expect(200);
    assert_eq!(repeat["user_message"]["id"], first["user_message"]["id"]);
    assert_eq!(repeat["assistant_message"]["id"], first["assistant_message"]["id"]);
    assert_eq!(repeat["assistant_message"]["status"], "completed");
    send("k2").await.expect(201);
    send("").await.expect_problem(400, "invalid_idempotency_key");
    assert_eq!(client.get(&format!("/conversations/{id}")).await["message_count"], 4);
}

#[tokio::test]
async fn repeats_at_the_same_moment_are_sent_once() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    // Without a key the same words at the same place are a double click, as long as the first
    // are being answered; with one they are the same request, also after that.
    for (headers, repeated) in [(&[("idempotency-key", "k")] as &[(&str, &str)], 200), (&[], 409)] {
        node.model.will([Step::Gate]);
        let body =
            json!({ "content": format!("with {} headers", headers.len()), "parent_id": null });
        let sends = (0..6).map(|_| client.call_with("POST", &path, Some(body.clone()), headers));
        let replies = futures::future::join_all(sends).await;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        let mut expected = [vec![201], vec![repeated; 5]].concat();
        expected.sort_unstable();
        assert_eq!(statuses, expected);
    }
}

#[tokio::test]
async fn sends_at_the_same_moment_get_numbers_of_their_own() {
    let App { client, node, database, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    let sends = (0..8).map(|number| {
        let body = json!({ "content": format!("question {number}"), "parent_id": null });
        client.call("POST", &path, Some(body))
    });
    let replies = futures::future::join_all(sends).await;
    let mut numbers = BTreeSet::new();
    for reply in replies {
        let sent = reply.expect(201);
        for message in ["user_message", "assistant_message"] {
            numbers.insert(sent[message]["sequence_number"].as_i64().unwrap());
        }
        client.done(sent["assistant_message"]["id"].as_str().unwrap()).await;
    }
    assert_eq!(numbers, (1..=16).collect());
    assert_eq!(client.get(&format!("/conversations/{id}")).await["total_tokens"], 8 * 18);
    assert_eq!(node.chat.running(), 0);
    let _ = database;
}

#[tokio::test]
async fn one_person_cannot_take_all_the_answers() {
    let mut few = settings("one");
    few.max_running_per_user = 2;
    let app = App::with(few).await;
    for _ in 0..3 {
        app.node.model.will([Step::Gate]);
    }
    let mut answers = Vec::new();
    for _ in 0..2 {
        let id = app.client.conversation(json!({})).await;
        answers.push(app.client.ask(&id, json!({ "content": "slow" })).await.1);
    }
    let id = app.client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    let third = app.client.call("POST", &path, Some(json!({ "content": "third" }))).await;
    third.expect_problem(429, "too_many_running_answers");
    let other = lyceum_testkit::user(&app.database.db, "bob").await;
    let other = app.node.client(other);
    let theirs = other.conversation(json!({})).await;
    other.ask(&theirs, json!({ "content": "me too" })).await;
    app.node.model.open(3);
    app.client.done(&answers[0]).await;
    app.client.call("POST", &path, Some(json!({ "content": "third" }))).await.expect(201);
}

#[tokio::test]
async fn the_history_is_fitted_into_the_context() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    for number in 0..6 {
        client.answer(&id, &format!("{number} {}", "word ".repeat(300))).await;
    }
    let prompt = node.model.last_prompt();
    assert!(prompt.len() < 1 + 2 * 5 + 1, "{} messages", prompt.len());
    assert!(prompt.len() >= 4);
    assert_eq!(prompt[0].0, Role::System);
    assert!(prompt.last().unwrap().1.starts_with("5 "));
    assert!(prompt[prompt.len() - 3].1.starts_with("4 "), "the newest turns are kept");
    let turns = prompt[1..].iter().map(|(role, _)| *role).collect::<Vec<_>>();
    assert!(turns.iter().step_by(2).all(|role| *role == Role::User));
    // 4,096 tokens of context hold the answer, too.
    let letters: usize = prompt.iter().map(|(_, text)| text.len()).sum();
    let answer = node.model.requests().last().unwrap().max_tokens.unwrap() as usize;
    assert!(letters / 3 + answer < 4_096);
}
