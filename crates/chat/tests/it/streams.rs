use serde_json::json;

use crate::support::{App, Step, text_of};

const PIECES: [&str; 5] = ["Ein ", "知识", "库 ", "🦀 ", "end"];

fn script() -> Vec<Step> {
    PIECES.into_iter().flat_map(|piece| [Step::Gate, Step::Say(piece)]).collect()
}

#[tokio::test]
async fn a_stream_resumes_exactly_after_every_event() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    node.model.will(script());
    let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
    let mut stream = client.events(&answer, None).await;
    let mut seen = Vec::new();
    // Piece by piece, so that every piece is an event of its own; at each a client comes back.
    for piece in PIECES {
        node.model.open(1);
        loop {
            let event = stream.next().await.unwrap();
            seen.push(event);
            let last = seen.last().unwrap();
            if last.name == "delta" {
                assert_eq!(last.data["text"], piece);
                break;
            }
        }
        let mut returned = client.events(&answer, Some(0)).await;
        returned.until(&text_of(&seen)).await;
    }
    seen.extend(stream.all().await);
    let whole = PIECES.concat();
    assert_eq!(text_of(&seen), whole);
    assert_eq!(seen.last().unwrap().data["message"]["content"], whole);
    assert!(seen.windows(2).all(|pair| pair[0].id <= pair[1].id));

    // The answer is final now: whoever comes back gets it whole.
    for event in &seen {
        let events = client.events(&answer, Some(event.id)).await.all().await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].name, "done");
        assert_eq!(events[0].data["message"]["content"], whole);
    }
}

#[tokio::test]
async fn a_stream_resumes_in_the_middle_of_a_running_answer() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let mut steps: Vec<Step> = vec![Step::Reason("思考 "), Step::Reason("more")];
    steps.extend(PIECES.map(Step::Say));
    steps.push(Step::Gate);
    node.model.will(steps);
    let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
    let whole = PIECES.concat();
    let mut first = client.events(&answer, None).await;
    let events = first.until(&whole).await;
    assert!(events.iter().any(|event| event.name == "reasoning"));
    let reasoning = "思考 more".len();
    let mut tails = Vec::new();
    let boundaries = whole.char_indices().map(|(index, _)| index).chain([whole.len()]);
    for from in boundaries {
        let mut stream = client.events(&answer, Some((reasoning + from) as u64)).await;
        let events = stream.until(&whole[from..]).await;
        assert!(events.iter().all(|event| event.name == "delta"));
        tails.push(stream);
    }
    node.model.open(1);
    for stream in tails {
        let events = stream.all().await;
        assert_eq!(text_of(&events), "");
        assert_eq!(events.last().unwrap().data["message"]["reasoning"], "思考 more");
    }
    let response = client
        .call_with("GET", &format!("/messages/{answer}/events"), None, &[("last-event-id", "x")])
        .await;
    response.expect_problem(400, "invalid_event_id");
}

#[tokio::test]
async fn leaving_stops_nothing_and_a_slow_reader_holds_nobody_up() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    let long = "word ".repeat(40_000);
    node.model.will([Step::Gate, Step::SayOwned(long.clone()), Step::Gate, Step::Say("end")]);
    let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
    let slow = client.events(&answer, None).await;
    let mut gone = client.events(&answer, None).await;
    node.model.open(1);
    while gone.next().await.unwrap().name != "delta" {}
    drop(gone);
    node.model.open(1);
    // The slow one has not read a byte, the other one is gone; the answer is done all the same.
    let done = client.done(&answer).await;
    assert_eq!(done["status"], "completed");
    assert_eq!(done["content"].as_str().unwrap().len(), long.len() + 3);
    let events = slow.all().await;
    assert_eq!(events.last().unwrap().name, "done");
    let text = text_of(&events);
    // It came late: either it still reads the pieces, or it gets the whole answer with `done`.
    assert!(text.is_empty() || text == format!("{long}end"));
}

#[tokio::test]
async fn stopping_keeps_the_text_and_records_the_call() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    node.model.will([Step::Say("half an ans"), Step::Gate]);
    let (question, answer) = client.ask(&id, json!({ "content": "go" })).await;
    let mut stream = client.events(&answer, None).await;
    stream.until("half an ans").await;
    let stop = format!("/messages/{answer}/stop");
    client.call("POST", &stop, None).await.expect(204);
    let rest = stream.all().await;
    let done = &rest.last().unwrap().data["message"];
    assert_eq!(done["status"], "stopped");
    assert_eq!(done["content"], "half an ans");
    assert!(done["completion_tokens"].as_i64().unwrap() > 0, "estimated by the ledger");
    assert_eq!(node.chat.running(), 0);
    client.call("POST", &stop, None).await.expect(204);
    client
        .call("POST", &format!("/messages/{question}/stop"), None)
        .await
        .expect_problem(422, "not_an_answer");
    // What was said is part of the conversation.
    client.answer(&id, "and?").await;
    assert_eq!(node.model.last_prompt()[2].1, "half an ans");
}

#[tokio::test]
async fn deleting_the_conversation_ends_its_answer() {
    let App { client, node, .. } = &App::new().await;
    let id = client.conversation(json!({})).await;
    node.model.will([Step::Say("never "), Step::Gate]);
    let (_, answer) = client.ask(&id, json!({ "content": "go" })).await;
    let mut stream = client.events(&answer, None).await;
    stream.until("never ").await;
    client.call("DELETE", &format!("/conversations/{id}"), None).await.expect(204);
    assert!(stream.all().await.iter().all(|event| event.name != "done"));
    assert_eq!(node.chat.running(), 0);
    let path = format!("/messages/{answer}/events");
    client.call("GET", &path, None).await.expect_problem(404, "not_found");
}
