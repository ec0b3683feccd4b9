//! From an empty folder to a cited answer with the real local models, as a person would go.

use serde_json::json;

use crate::world::{World, ask, id, knowledge_base, models_dir, pdf, processed, upload};

#[tokio::test]
async fn a_question_about_a_document_gets_a_cited_answer() {
    assert!(models_dir().is_dir(), "run script/bootstrap --test first");
    let world = World::new().await.unwrap();
    let person = &world.alice;
    let base = knowledge_base(person, "Handbook").await.unwrap();
    let english = pdf("The canteen of the Oakfield office opens at 11:40 and closes at 14:10.");
    let chinese =
        "员工手册\n\n年假：每位员工每年有十七天带薪年假。\n\n报销：出差报销须在三十天内提交。";
    let (_, first) = upload(person, &base, "canteen.pdf", english).await.unwrap();
    let (_, second) = upload(person, &base, "手册.txt", chinese.into()).await.unwrap();
    for document in [&first, &second] {
        let document = processed(person, &id(document).unwrap()).await.unwrap();
        assert_eq!(document["status"], "completed", "{document}");
    }
    for (question, title, word) in [
        ("When does the canteen open?", "canteen", "11:40"),
        ("每年有多少天带薪年假？", "手册", "十七"),
    ] {
        let conversation = json!({ "knowledge_base_ids": [base] });
        let conversation = person.post("/api/v1/conversations", conversation).await.unwrap();
        let conversation = id(&conversation).unwrap();
        let answer = ask(person, &conversation, json!({ "content": question })).await.unwrap();
        assert_eq!(answer["status"], "completed", "{answer}");
        assert!(!answer["content"].as_str().unwrap().is_empty());
        let citation = &answer["citations"][0];
        assert_eq!(citation["document_title"], title, "{answer}");
        assert!(citation["snippet"].as_str().unwrap().contains(word), "{answer}");
        let page = if title == "canteen" { json!(1) } else { json!(null) };
        assert_eq!(citation["page"], page, "a text has no pages: {answer}");
        // What a small model says is its own affair; where it says what the document says, that is
        // marked behind the sentence.
        if answer["content"].as_str().unwrap().contains(word) {
            let length = answer["content"].as_str().unwrap().chars().count() as u64;
            let marks = citation["marks"].as_array().unwrap();
            assert!(marks.iter().any(|mark| mark.as_u64().unwrap() <= length), "{answer}");
            assert_eq!(citation["cited"], true);
        }
        let message = id(&answer).unwrap();
        let why = person.get(&format!("/api/v1/messages/{message}/explanation")).await.unwrap();
        assert!(why["retrieval"]["chunks"][0]["score"].as_f64() > Some(0.0), "{why}");
        assert!(why["completion_tokens"].as_i64() > Some(0), "{why}");
    }
    for question in ["Who won the football world cup in 1974?", "北京地铁有多少条线路？"]
    {
        let conversation = json!({ "knowledge_base_ids": [base] });
        let conversation = person.post("/api/v1/conversations", conversation).await.unwrap();
        let conversation = id(&conversation).unwrap();
        let answer = ask(person, &conversation, json!({ "content": question })).await.unwrap();
        assert_eq!(answer["finish_reason"], "not_found", "{answer}");
        let citations = answer["citations"].as_array().unwrap();
        assert!(!citations.is_empty(), "the nearest passages are shown: {answer}");
        assert!(citations.iter().all(|citation| citation["cited"] == false), "{answer}");
    }
    let calls = person.get("/api/v1/usage/calls?limit=200").await.unwrap();
    let purposes: Vec<_> =
        calls["items"].as_array().unwrap().iter().map(|call| &call["purpose"]).collect();
    for purpose in ["chat", "embedding", "retrieval"] {
        assert!(purposes.iter().any(|found| *found == purpose), "no {purpose} in {purposes:?}");
    }
    let audit = world.admin.get("/api/v1/audit-logs?resource_type=document").await.unwrap();
    assert!(!audit["items"].as_array().unwrap().is_empty(), "{audit}");
}

#[tokio::test]
async fn bad_files_are_told_apart() {
    let world = World::new().await.unwrap();
    let person = &world.alice;
    let base = knowledge_base(person, "Odd").await.unwrap();
    let (status, answer) = upload(person, &base, "empty.txt", Vec::new()).await.unwrap();
    assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("empty_file")));
    let (status, answer) =
        upload(person, &base, "../../x.txt", b"A climbing plant.".to_vec()).await.unwrap();
    assert_eq!(status, 202);
    assert_eq!(answer["filename"], "x.txt");
    assert!(!world.data.path().join("x.txt").exists());
    let (status, again) =
        upload(person, &base, "copy.txt", b"A climbing plant.".to_vec()).await.unwrap();
    assert_eq!((status.as_u16(), &again["id"]), (200, &answer["id"]));
    let elf = std::fs::read("/proc/self/exe").unwrap().into_iter().take(4096).collect();
    let (status, answer) = upload(person, &base, "program.pdf", elf).await.unwrap();
    assert_eq!((status.as_u16(), &answer["code"]), (415, &json!("unsupported_type")));
}
