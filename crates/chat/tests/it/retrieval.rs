use lyceum_core::new_id;
use serde_json::{Value, json};

use crate::support::{App, Step, chunk};

#[tokio::test]
async fn marked_sources_become_citations_and_everything_is_explained() {
    let App { client, node, .. } = &App::new().await;
    let chunks = vec![
        chunk("Handbook", "Leave is 15 days.", true),
        chunk("Gossip", "Leave is endless.", false),
        chunk("Annex", "Leave can be\n carried over.", true),
    ];
    let base = node.retriever.base(chunks.clone());
    let id = client.conversation(json!({ "knowledge_base_ids": [base, base] })).await;
    assert_eq!(
        client.get(&format!("/conversations/{id}")).await["knowledge_base_ids"],
        json!([base])
    );
    node.model.will([Step::Say("It can be carried over "), Step::Say("[2]. Not [3].")]);
    let (_, answer) = client.ask(&id, json!({ "content": "How much leave?" })).await;
    let events = client.events(&answer, None).await.all().await;
    let done = &events.last().unwrap().data["message"];
    let citation = json!({
        "index": 2, "chunk_id": chunks[2].chunk_id, "document_id": chunks[2].document_id,
        "document_title": "Annex", "page": 2, "start_offset": 10, "end_offset": 20,
        "snippet": "Leave can be carried over.", "cited": true,
    });
    assert_eq!(done["citations"], json!([citation]));
    if let Some(last) = events.iter().rfind(|event| event.name == "citations") {
        assert_eq!(last.data["items"], done["citations"]);
    }
    assert_eq!(*node.retriever.questions.lock().unwrap(), ["How much leave?"]);

    let why = client.get(&format!("/messages/{answer}/explanation")).await;
    assert_eq!(why["question"], "How much leave?");
    assert_eq!(why["retrieval"]["took_ms"], 5);
    let sources: Vec<&Value> =
        why["retrieval"]["chunks"].as_array().unwrap().iter().map(|c| &c["source"]).collect();
    assert_eq!(sources, [&json!(1), &Value::Null, &json!(2)]);
    assert_eq!(why["retrieval"]["chunks"][1]["content"], "Leave is endless.");
    assert_eq!(why["retrieval"]["chunks"][1]["kept"], false);
    let prompt = why["prompt"].as_array().unwrap();
    assert_eq!(prompt.len(), 2);
    let question = prompt[1]["content"].as_str().unwrap();
    assert!(question.contains("Leave is 15 days.\n\nLeave can be"), "{question}");
    assert!(question.contains("Question: How much leave?"));
    assert!(!question.contains("endless"));
    assert_eq!(why["model"], "scripted");
    assert_eq!(why["prompt_tokens"], 11);
    assert!(why["latency_ms"].is_i64());
    assert!(why["request_id"].is_string());
    let calls = client.get("/usage/calls").await;
    assert_eq!(calls["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_without_marks_names_its_best_sources() {
    let App { client, node, .. } = &App::new().await;
    let chunks = (0..5).map(|n| chunk("制度", &format!("第{n}条"), true)).collect();
    let base = node.retriever.base(chunks);
    let id = client.conversation(json!({})).await;
    node.model.will([Step::Say("年假十五天。")]);
    let body = json!({ "content": "年假几天？", "knowledge_base_ids": [base] });
    let (_, answer) = client.ask(&id, body).await;
    let done = client.done(&answer).await;
    let citations = done["citations"].as_array().unwrap();
    let indices: Vec<i64> = citations.iter().map(|c| c["index"].as_i64().unwrap()).collect();
    assert_eq!(indices, [1, 2, 3]);
    assert!(citations.iter().all(|citation| citation["cited"] == false));
    let prompt = node.model.last_prompt();
    assert!(prompt[0].1.contains("资料中没有提到"));
    assert!(prompt[1].1.contains("第3条\n\n第4条\n\n问题：年假几天？"));
    // The base stays with the conversation.
    client.answer(&id, "还有呢？").await;
    assert_eq!(node.retriever.questions.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_small_model_is_not_asked_what_the_documents_do_not_say() {
    let App { client, node, .. } = &App::new().await;
    let chunks = (0..5).map(|n| chunk("Noise", &format!("irrelevant {n}"), false)).collect();
    let base = node.retriever.base(chunks);
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    for (question, expected) in [
        ("What about the moon?", "The documents in the knowledge base do not hold an answer"),
        ("月亮有多远？", "没有找到这个问题的答案"),
    ] {
        let done = client.answer(&id, question).await;
        assert_eq!(done["status"], "completed");
        assert!(done["content"].as_str().unwrap().contains(expected), "{done}");
        assert_eq!(done["finish_reason"], "not_found");
        assert_eq!((&done["model"], &done["completion_tokens"]), (&Value::Null, &Value::Null));
        let cited: Vec<&Value> =
            done["citations"].as_array().unwrap().iter().map(|c| &c["cited"]).collect();
        assert_eq!(cited, [&json!(false), &json!(false), &json!(false)]);
        let why =
            client.get(&format!("/messages/{}/explanation", done["id"].as_str().unwrap())).await;
        assert_eq!(why["prompt"], json!([]));
        assert_eq!(why["retrieval"]["chunks"].as_array().unwrap().len(), 5);
    }
    assert!(node.model.requests().is_empty());
}

#[tokio::test]
async fn a_message_that_says_little_alone_is_searched_for_with_the_questions_before_it() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![chunk("Handbook", "Seventeen days of leave.", true)]);
    *node.retriever.about.lock().unwrap() = "leave";
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    client.answer(&id, "How many days of leave?").await;
    client.answer(&id, "Thanks").await;
    let done = client.answer(&id, "Translate that into Chinese").await;
    assert_eq!(done["finish_reason"], "stop", "{done}");
    let together = "Translate that into Chinese\nHow many days of leave?";
    assert_eq!(
        *node.retriever.questions.lock().unwrap(),
        ["How many days of leave?", "Thanks\nHow many days of leave?", together],
        "talk by itself may find anything"
    );
    let prompt = node.model.last_prompt();
    assert_eq!(prompt.len(), 6, "the turns before it are there as ever");
    assert!(prompt[5].1.contains("Seventeen days") && !prompt[5].1.contains("Thanks"));
    let why = client.get(&format!("/messages/{}/explanation", done["id"].as_str().unwrap())).await;
    assert_eq!(why["question"], "Translate that into Chinese");
    assert_eq!(why["retrieval"]["searched_for"], together);
    assert_eq!(why["retrieval"]["took_ms"], 5);
    assert_eq!(why["retrieval"]["chunks"][0]["source"], 1);
    // What is about something else is not answered from the passages of the questions before it.
    let done = client.answer(&id, "Who won the football world cup in 1974?").await;
    assert_eq!(done["finish_reason"], "not_found", "{done}");
    let asked = node.retriever.questions.lock().unwrap().last().unwrap().clone();
    assert_eq!(asked, "Who won the football world cup in 1974?\nHow many days of leave?");
}

#[tokio::test]
async fn talk_about_a_denial_is_searched_for_with_the_question_that_was_denied_alone() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![chunk("Handbook", "Seventeen days of leave.", true)]);
    *node.retriever.about.lock().unwrap() = "leave";
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    client.answer(&id, "How many days of leave?").await;
    let denied = "Who won the football world cup in 1974?";
    assert_eq!(client.answer(&id, denied).await["finish_reason"], "not_found");
    let before = node.retriever.questions.lock().unwrap().len();
    // Talk goes on being about it, and by itself might find anything.
    for message in ["Why?", "Are you sure?"] {
        let done = client.answer(&id, message).await;
        assert_eq!(done["finish_reason"], "not_found", "{done}");
        let why = format!("/messages/{}/explanation", done["id"].as_str().unwrap());
        let together = format!("{message}\n{denied}");
        assert_eq!(client.get(&why).await["retrieval"]["searched_for"], together);
    }
    let questions = node.retriever.questions.lock().unwrap()[before..].to_vec();
    assert_eq!(questions, ["Why?", "Are you sure?"].map(|message| format!("{message}\n{denied}")));
    // A document that has come meanwhile may have the answer.
    *node.retriever.about.lock().unwrap() = "football";
    let done = client.answer(&id, "And now?").await;
    assert_eq!(done["finish_reason"], "stop", "{done}");
}

#[tokio::test]
async fn a_question_that_fails_together_with_others_is_answered_alone() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![chunk("Handbook", "Seventeen days of leave.", true)]);
    *node.retriever.about.lock().unwrap() = "leave";
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    let long = "Is there any leave? ".repeat(20);
    client.answer(&id, &long).await;
    *node.retriever.limit.lock().unwrap() = Some(50);
    for message in ["Thanks", "Where is the moon?"] {
        let done = client.answer(&id, message).await;
        assert_eq!(done["finish_reason"], "not_found", "{done}");
    }
    let questions = node.retriever.questions.lock().unwrap().clone();
    let together = |message: &str| format!("{message}\n{}", &long[..150]);
    let (thanks, moon) = (together("Thanks"), together("Where is the moon?"));
    assert_eq!(questions[1..], [thanks.as_str(), "Thanks", "Where is the moon?", &moon]);
}

#[tokio::test]
async fn documents_that_are_still_being_processed_are_told_instead_of_denied() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![]);
    *node.retriever.being_read.lock().unwrap() = 3;
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    let content = async |question: &str| {
        client.answer(&id, question).await["content"].as_str().unwrap().to_owned()
    };
    let said = content("How much leave?").await;
    assert!(said.starts_with("3 documents in the knowledge base are still being"), "{said}");
    let said = content("年假几天？").await;
    assert!(said.contains("还有 3 个文档正在处理") && !said.contains("没有找到"), "{said}");
    assert_eq!(
        node.retriever.questions.lock().unwrap().len(),
        2,
        "other words find nothing either"
    );
    assert!(node.model.requests().is_empty());

    *node.retriever.chunks.lock().unwrap() = vec![chunk("Noise", "irrelevant", false)];
    let said = content("How far is the moon?").await;
    assert!(said.contains("do not hold an answer") && said.contains(" 3 documents are"), "{said}");
    // The model may find that the passages do not hold it.
    *node.retriever.chunks.lock().unwrap() = vec![chunk("Handbook", "Of leave.", true)];
    node.model.will([Step::Say("The text does not say.")]);
    let said = content("How much leave is there?").await;
    assert!(said.starts_with("The text does not say. 3 documents are still"), "{said}");
    assert!(!content("How much leave is there then?").await.contains("3 documents"));
}

#[tokio::test]
async fn the_first_answer_from_documents_is_the_likeliest_one() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![chunk("Handbook", "Seventeen days of leave.", true)]);
    let id = client.conversation(json!({})).await;
    client.answer(&id, "How many days of leave are there?").await;
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    let first = client.answer(&id, "How many days of leave are there?").await;
    let regenerate = format!("/messages/{}/regenerate", first["id"].as_str().unwrap());
    let again = client.call("POST", &regenerate, None).await.expect(201);
    client.done(again["assistant_message"]["id"].as_str().unwrap()).await;
    let asked = node.model.requests().into_iter().filter(|request| request.temperature.is_some());
    assert_eq!(asked.map(|request| request.temperature).collect::<Vec<_>>(), [Some(0.0)]);
}

#[tokio::test]
async fn sentences_are_marked_while_they_are_written_and_stay_so() {
    let App { client, node, .. } = &App::new().await;
    let chunks = vec![
        chunk("Handbook", "Every employee has seventeen days of leave.", true),
        chunk("Canteen", "The canteen opens at 11:40 in the northern building.", true),
    ];
    let base = node.retriever.base(chunks);
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    node.model.will([
        Step::Say("Employees have seventeen days of leave."),
        Step::Say(" The canteen opens at 11:40."),
        Step::Gate,
        Step::Say(" Bring cake."),
    ]);
    let (_, answer) = client.ask(&id, json!({ "content": "What are the rules?" })).await;
    let mut events = client.events(&answer, None).await;
    let marks = |items: &Value| -> Vec<(i64, Value)> {
        let items = items.as_array().unwrap().iter();
        items.map(|item| (item["index"].as_i64().unwrap(), item["marks"].clone())).collect()
    };
    // The model waits, but what it said is marked already.
    loop {
        let event = events.next().await.expect("marks before the end");
        assert_ne!(event.name, "done");
        if event.name == "citations" && marks(&event.data["items"])[0].1 == json!([39]) {
            break;
        }
    }
    node.model.open(1);
    let done = client.done(&answer).await;
    assert_eq!(marks(&done["citations"]), [(1, json!([39])), (2, json!([67]))]);
    // A reload reads the same.
    assert_eq!(client.page(&id, "").await[1]["citations"], done["citations"]);
}

#[tokio::test]
async fn a_base_that_went_away_is_an_error_of_the_answer() {
    let App { client, node, .. } = &App::new().await;
    let base = node.retriever.base(vec![]);
    let id = client.conversation(json!({ "knowledge_base_ids": [base] })).await;
    node.retriever.bases.lock().unwrap().clear();
    let failed = client.answer(&id, "anyone?").await;
    assert_eq!(failed["error"]["code"], "not_found");
    let id = failed["id"].as_str().unwrap();
    let path = format!("/messages/{id}/explanation");
    client.call("GET", &path, None).await.expect_problem(409, "not_explained_yet");
}

#[tokio::test]
async fn unknown_bases_and_models_are_refused_before_anything_is_written() {
    let App { client, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let path = format!("/conversations/{id}/messages");
    let unknown = json!({ "content": "x", "knowledge_base_ids": [new_id()] });
    client.call("POST", &path, Some(unknown)).await.expect_problem(404, "not_found");
    let unknown = json!({ "content": "x", "model_config_id": new_id() });
    assert_eq!(client.call("POST", &path, Some(unknown)).await.status, 404);
    let many: Vec<_> = (0..21).map(|_| new_id()).collect();
    let many = json!({ "content": "x", "knowledge_base_ids": many });
    client.call("POST", &path, Some(many)).await.expect_problem(422, "too_many_knowledge_bases");
    assert_eq!(client.get(&format!("/conversations/{id}")).await["message_count"], 0);
}
