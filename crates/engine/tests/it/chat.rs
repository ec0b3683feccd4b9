use std::collections::HashSet;

use futures::future::join_all;
use lyceum_core::Problem as _;
use lyceum_llm::{ChatMessage, ChatModel, ChatRequest, FinishReason, LlmError, Role};
use serde_json::json;

use crate::support::{CHAT, EMBEDDING, answer, ask, collect, first_text, start, start_with, until};

const LONG: u32 = 3000;

#[tokio::test]
async fn an_answer_streams_in_pieces_and_counts_its_tokens() {
    let engine = start().await;
    let found = answer(&engine, ask("What is 2+2? Answer with a number.", 40)).await;
    assert!(found.text().contains('4'), "{found:?}");
    assert!(found.pieces.len() > 2, "{found:?}");
    assert_eq!(found.reason, FinishReason::Stop);
    assert!(found.usage.prompt_tokens > 10 && found.usage.completion_tokens >= 5, "{found:?}");

    let cut = answer(&engine, ask("Write a long story about a fox.", 7)).await;
    assert_eq!((cut.reason, cut.usage.completion_tokens), (FinishReason::Length, 7));
}

#[tokio::test]
async fn the_same_seed_repeats_an_answer_and_a_cached_prompt_does_not_change_it() {
    let engine = start().await;
    let mut request = ask("Tell me a short story about a fox.", 40);
    request.temperature = Some(1.2);
    request.seed = Some(7);
    let first = answer(&engine, request.clone()).await;
    let second = answer(&engine, request.clone()).await;
    assert_eq!(first.text(), second.text());
    assert_eq!(first.usage.cached_tokens, 0);
    assert_eq!(second.usage.cached_tokens, second.usage.prompt_tokens - 1);
    request.seed = Some(8);
    assert_ne!(answer(&engine, request).await.text(), first.text());
}

#[tokio::test]
async fn a_prefix_is_not_shared_between_users() {
    let engine = start().await;
    let of = |user: &str| {
        let mut request = ask("What is the capital of France?", 1);
        request.extra.insert("user".to_owned(), user.into());
        request
    };
    answer(&engine, of("ann")).await;
    assert_eq!(answer(&engine, of("bob")).await.usage.cached_tokens, 0);
    assert!(answer(&engine, of("ann")).await.usage.cached_tokens > 0);
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_shown() {
    let engine = start().await;
    let whole = answer(&engine, ask("What is the capital of France?", 40)).await.text();
    let mut request = ask("What is the capital of France?", 40);
    let word = whole.split_whitespace().nth(3).unwrap();
    request.stop = Some(json!(["never said", word]));
    let cut = answer(&engine, request).await;
    assert_eq!(cut.text(), whole.split(word).next().unwrap());
    assert_eq!(cut.reason, FinishReason::Stop);
}

#[tokio::test]
async fn dropping_the_stream_frees_the_slot() {
    let engine = start_with(|config| config.slots = 1).await;
    let mut stream = engine.chat(ask("Write a very long story.", LONG)).await.unwrap();
    first_text(&mut stream).await;
    until(&engine, |loaded| loaded[0].active == 1).await;
    drop(stream);
    until(&engine, |loaded| loaded[0].active == 0).await;
    let next = answer(&engine, ask("What is the capital of France?", 3)).await;
    assert_eq!(next.usage.completion_tokens, 3);
}

#[tokio::test]
async fn eight_at_once_answer_as_each_alone() {
    let engine = start().await;
    let questions: Vec<String> =
        (2..10).map(|number| format!("What comes after the number {number}?")).collect();
    let mut alone = Vec::new();
    for question in &questions {
        alone.push(answer(&engine, ask(question, 12)).await.usage);
    }
    let together = questions.iter().map(|question| answer(&engine, ask(question, 12)));
    let together = join_all(together).await;
    for (one, all) in alone.iter().zip(&together) {
        assert_eq!(one.prompt_tokens, all.usage.prompt_tokens);
        assert!(all.usage.completion_tokens > 0 && !all.text().is_empty());
    }
    let texts: HashSet<String> = together.iter().map(|found| found.text()).collect();
    assert!(texts.len() > 4, "answers are mixed up: {texts:?}");
}

#[tokio::test]
async fn more_requests_than_slots_wait_their_turn_and_too_many_are_refused() {
    let engine = start_with(|config| {
        config.slots = 1;
        config.queue = 2;
    })
    .await;
    let mut busy = engine.chat(ask("Write a very long story.", LONG)).await.unwrap();
    first_text(&mut busy).await;
    let of = |user: &str| {
        let mut request = ask("What is the capital of France?", 2);
        request.extra.insert("user".to_owned(), user.into());
        request
    };
    let waiting = ["ann", "bob"].map(|user| {
        let (engine, request) = (engine.engine.clone(), of(user));
        tokio::spawn(async move { engine.chat(request).await })
    });
    until(&engine, |loaded| loaded[0].waiting == 2).await;
    let Err(refused) = engine.chat(of("cid")).await else { panic!("not refused") };
    assert!(matches!(refused, LlmError::EngineUnavailable(_)), "{refused}");
    drop(busy);
    for request in waiting {
        let found = collect(request.await.unwrap().unwrap()).await.unwrap();
        assert_eq!(found.usage.completion_tokens, 2);
    }
}

#[tokio::test]
async fn unknown_and_unfit_models_are_told_apart() {
    let engine = start().await;
    let unknown = engine.chat(ChatRequest { model: "nobody".into(), ..ask("hi", 1) }).await;
    assert!(matches!(unknown.err().unwrap(), LlmError::UnknownModel(_)));
    let unfit = engine.chat(ChatRequest { model: EMBEDDING.into(), ..ask("hi", 1) }).await;
    assert!(matches!(unfit.err().unwrap(), LlmError::Unfit(_)));
}

#[tokio::test]
async fn a_model_whose_file_is_missing_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let engine = start_with(|config| config.models = empty.path().to_owned()).await;
    let error = engine.chat(ask("hi", 1)).await.err().unwrap();
    assert!(matches!(&error, LlmError::UnknownModel(why) if why.contains(CHAT)), "{error}");
    assert!(engine.catalogue().iter().all(|model| !model.installed));
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused_and_one_that_nearly_is_gets_the_rest() {
    let engine = start_with(|config| config.context_tokens = 512).await;
    let error = engine.chat(ask(&"fox ".repeat(600), 5)).await.err().unwrap();
    assert!(matches!(&error, LlmError::ContextLength(why) if why.contains("512")), "{error}");
    let found = answer(&engine, ask(&"fox ".repeat(460), 300)).await;
    assert!(found.usage.total_tokens() <= 512, "{found:?}");
}

#[tokio::test]
async fn what_local_models_cannot_do_is_refused() {
    let engine = start().await;
    for (member, value) in [
        ("n", json!(2)),
        ("tools", json!([{ "type": "function" }])),
        ("response_format", json!({ "type": "xml" })),
    ] {
        let mut request = ask("hi", 1);
        request.extra.insert(member.to_owned(), value);
        let error = engine.chat(request).await.err().unwrap();
        assert!(matches!(error, LlmError::Unfit(_)), "{member}: {error}");
    }
    let hot = ChatRequest { temperature: Some(9.0), ..ask("hi", 1) };
    let error = engine.chat(hot).await.err().unwrap();
    assert_eq!(error.code(), "invalid_request");
    let words = "the request does not fit the local model: temperature must be within 0 and 2";
    assert!(error.detail().starts_with(words), "{error}");
}

#[tokio::test]
async fn chinese_and_emoji_stream_as_whole_characters() {
    let engine = start().await;
    let mut request = ask("Repeat exactly: 你好世界🙂👩‍👩‍👧 Grüße", 40);
    request.messages.insert(0, ChatMessage::text(Role::System, "你重复用户的话。🙂🙂🙂"));
    request.temperature = Some(1.5);
    for seed in 0..2 {
        request.seed = Some(seed);
        let found = answer(&engine, request.clone()).await;
        // A cut character would have become U+FFFD on its way through JSON; only the very last may
        // be incomplete, when the tokens were used up inside it.
        let text = found.text();
        let broken = text.trim_end_matches('\u{fffd}').matches('\u{fffd}').count();
        assert_eq!(broken, 0, "{text:?}");
    }
}

#[tokio::test]
async fn a_schema_makes_the_answer_valid_json() {
    let engine = start().await;
    let schema = json!({
        "type": "object",
        "properties": { "city": { "type": "string", "maxLength": 20 }, "big": { "type": "boolean" } },
        "required": ["city", "big"],
        "additionalProperties": false,
    });
    let mut request = ask("Name the capital of France.", 80);
    let format = json!({ "type": "json_schema", "json_schema": { "name": "c", "schema": schema } });
    request.extra.insert("response_format".to_owned(), format);
    for temperature in [0.0, 1.0] {
        request.temperature = Some(temperature);
        let text = answer(&engine, request.clone()).await.text();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(value["city"].is_string() && value["big"].is_boolean(), "{text}");
    }
}
