//! Every surface to every kind of provider, and to a built-in model.

use axum::http::StatusCode;
use futures::StreamExt as _;
use lyceum_gateway::GatewaySettings;
use serde_json::{Value, json};

use crate::kinds::{Kind, kinds};
use crate::said::{
    COMPLETIONS, MESSAGES, RESPONSES, SURFACES, Said, events, of_document, of_stream, question,
};
use crate::world::{KEY, World};

async fn answered(world: &World, surface: &str, model: &str, stream: bool) -> Said {
    let (status, answer) =
        world.send("ada", "POST", surface, question(surface, model, stream)).await;
    assert_eq!(status, StatusCode::OK, "{surface} {model}: {answer}");
    if stream { of_stream(surface, &answer) } else { of_document(surface, &answer) }
}

#[tokio::test]
async fn every_surface_has_an_answer_of_every_provider_and_bills_it_by_its_own_counts() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        world.model_at(&provider, &name, "think").await;
        for surface in SURFACES {
            for stream in [false, true] {
                let said = answered(&world, surface, &name, stream).await;
                let row = world.ledger().await.pop().unwrap();
                let at = format!("{surface} {name} {stream}: {said:?} {row:?}");
                assert_eq!(said.text, "You said: one two three", "{at}");
                // The older completions have no place for it.
                let thinks = said.reasoning.starts_with("let me see");
                assert_eq!(thinks, surface != COMPLETIONS, "{at}");
                let end = match surface {
                    RESPONSES => "completed",
                    COMPLETIONS => "stop",
                    _ => "end_turn",
                };
                assert_eq!(said.end, end, "{at}");
                assert_eq!(
                    said.model,
                    if kind.names_model { "think-001" } else { "think" },
                    "{at}"
                );
                let (cached, reasons) = kind.counts;
                let counts = (3, u64::from(cached), 8, if reasons { 3 } else { 0 });
                assert_eq!(said.tokens, counts, "{at}");
                assert_eq!((row.status.as_str(), row.estimated), ("completed", false), "{at}");
                assert_eq!((row.prompt_tokens, row.completion_tokens), (3, 8), "{at}");
                assert_eq!(row.cached_tokens, i64::from(cached), "{at}");
                assert_eq!(row.reasoning_tokens, if reasons { 3 } else { 0 }, "{at}");
                assert!(row.purpose == "api" && (!stream || row.first_token_ms.is_some()), "{at}");
            }
        }
    }
    assert_eq!(world.ledger().await.len(), 6 * kinds().len());
}

#[tokio::test]
async fn tools_are_called_on_every_surface_that_has_them() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().filter(|kind| kind.calls_tools).enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        world.model_at(&provider, &name, "tools").await;
        for surface in [RESPONSES, MESSAGES] {
            for stream in [false, true] {
                let said = answered(&world, surface, &name, stream).await;
                let calls = vec![("look_up".to_owned(), json!({"word": "汉"}))];
                assert_eq!(said.calls, calls, "{surface} {name} {stream}");
                let end = if surface == RESPONSES { "completed" } else { "tool_use" };
                assert_eq!(said.end, end, "{surface} {name} {stream}");
            }
        }
    }
}

#[tokio::test]
async fn a_limit_ends_an_answer_and_the_surface_says_so() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("gemini", ""), "g").await;
    world.model_at(&provider, "m", "ok").await;
    for (surface, member, end) in [
        (RESPONSES, "max_output_tokens", "incomplete"),
        (COMPLETIONS, "max_tokens", "length"),
        (MESSAGES, "max_tokens", "max_tokens"),
    ] {
        for stream in [false, true] {
            let mut body = question(surface, "m", stream);
            body[member] = json!(2);
            let (_, answer) = world.send("ada", "POST", surface, body).await;
            let said =
                if stream { of_stream(surface, &answer) } else { of_document(surface, &answer) };
            assert_eq!((said.text.trim(), said.end.as_str()), ("You said:", end), "{surface}");
            if surface == RESPONSES {
                let last = events_or(&answer);
                let reason = json!({"reason": "max_output_tokens"});
                assert_eq!(last["incomplete_details"], reason, "{answer}");
                assert_eq!(last["output"][0]["status"], "incomplete", "{answer}");
            }
        }
    }
}

/// The response of an answer, streamed or not.
fn events_or(answer: &Value) -> Value {
    match answer {
        Value::String(_) => events(answer).pop().unwrap().1["response"].clone(),
        document => document.clone(),
    }
}

#[tokio::test]
async fn every_fault_is_told_in_the_form_of_the_surface() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in [
        Kind::new("anthropic", ""),
        Kind::new("gemini", ""),
        Kind::new("custom", "/v1"),
        Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") },
    ]
    .iter()
    .enumerate()
    {
        let provider = world.at_kind(kind, &format!("p{number}")).await;
        for (model, status, code) in [
            ("status-401", 502, "provider_unauthorized"),
            ("status-429", 429, "provider_rate_limited"),
            ("status-500", 502, "provider_failed"),
            ("garbage", 502, "provider_malformed"),
            ("cut", 502, "provider_stream_broken"),
            ("half-frame", 200, "provider_stream_broken"),
            ("stream-error", 200, "provider_failed"),
            ("malformed", 200, "provider_malformed"),
            ("refused", 200, "provider_failed"),
        ] {
            let name = format!("p{number}-{model}");
            world.model_at(&provider, &name, model).await;
            for surface in SURFACES {
                let at = format!("{surface} {name}");
                let (got, answer) =
                    world.send("ada", "POST", surface, question(surface, &name, true)).await;
                // Before the stream has begun the error is a document, afterwards its last event.
                let (event, document) = match &answer {
                    Value::String(_) => events(&answer).pop().unwrap(),
                    document => (String::new(), document.clone()),
                };
                if !answer.is_string() {
                    assert!(got.as_u16() == status || status == 200, "{at}: {got} {answer}");
                }
                let error = match (surface, event.as_str()) {
                    (MESSAGES, name) => {
                        assert!(name.is_empty() || name == "error", "{at}: {answer}");
                        assert_eq!(document["type"], "error", "{at}: {answer}");
                        &document["error"]
                    }
                    (RESPONSES, "response.failed") => {
                        assert_eq!(document["response"]["status"], "failed", "{at}");
                        &document["response"]["error"]
                    }
                    _ => &document["error"],
                };
                assert_eq!(error["code"], code, "{at}: {answer}");
                assert!(error["message"].is_string(), "{at}: {answer}");
                assert!(!answer.to_string().contains(KEY), "{at}");
                let row = world.ledger().await.pop().unwrap();
                let known = (row.status.as_str(), row.error_code.as_deref());
                assert_eq!(known, ("failed", Some(code)), "{at}");
                let refused = model.starts_with("status-") || model == "refused";
                assert_eq!(row.prompt_tokens == 0, refused, "{at}: {row:?}");
            }
        }
    }
}

#[tokio::test]
async fn where_the_form_is_the_providers_own_it_is_passed_on() {
    let world = World::new().await;
    world.user("ada").await;
    let responses = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    for (kind, surface, path) in [
        (Kind::new("anthropic", ""), MESSAGES, "/v1/messages"),
        (responses, RESPONSES, "/v1/responses"),
        (Kind::new("custom", "/v1"), COMPLETIONS, "/v1/completions"),
    ] {
        let provider = world.at_kind(&kind, kind.provider).await;
        world.model_at(&provider, surface, "ok").await;
        let mut body = question(surface, surface, false);
        body["something_new"] = json!({"a": [1, {"b": null}]});
        body["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
        if surface == RESPONSES {
            body["store"] = json!(true);
        }
        let (status, answer) = world.send("ada", "POST", surface, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(answer["id"].as_str().unwrap().ends_with("mock"), "as it came: {answer}");
        let request = world.upstream.requests().pop().unwrap();
        assert_eq!(request.path, path);
        body["model"] = json!("ok");
        if surface == RESPONSES {
            body["store"] = json!(false);
            body["include"] = json!(["reasoning.encrypted_content"]);
        }
        // Options that the surface does not know are left out where the form is another one.
        if surface == COMPLETIONS {
            body["inputs"] = json!({"model": "ok"});
        }
        assert_eq!(request.body, body, "{surface}");
    }
    // The thinking of another provider's model does not go to Anthropic.
    let turns = json!([{"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "lyceum:"},
            {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"}]);
    let mut body = question(MESSAGES, MESSAGES, false);
    body["messages"] = turns;
    assert_eq!(world.send("ada", "POST", MESSAGES, body).await.0, StatusCode::OK);
    let sent = world.upstream.requests().pop().unwrap().body;
    assert_eq!(sent["messages"][1]["content"], json!([{"type": "text", "text": "b"}]));
}

#[tokio::test]
async fn a_program_that_sends_back_what_it_got_has_nothing_to_do_where_nothing_is_kept() {
    let world = World::new().await;
    world.user("ada").await;
    let responses = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    let provider = world.at_kind(&responses, "r").await;
    world.model_at(&provider, "r", "tools").await;
    let (own, sealed) = ("message.output_text.logprobs", "reasoning.encrypted_content");
    let mut body = question(RESPONSES, "r", false);
    body["tools"] = json!([{"type": "function", "name": "look_up", "parameters": {}}]);
    for (asked, sent) in [(Value::Null, json!([sealed])), (json!([own]), json!([own, sealed]))] {
        body["include"] = asked;
        body["input"] = json!([{"role": "user", "content": "one two three"}]);
        let (status, answer) = world.send("ada", "POST", RESPONSES, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(world.upstream.requests().pop().unwrap().body["include"], sent);
        let output = answer["output"].as_array().unwrap();
        assert_eq!((&output[0]["type"], output.len()), (&json!("reasoning"), 2), "{answer}");
        let mut turns = body["input"].as_array().unwrap().clone();
        turns.extend(output.clone());
        turns.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "found"}));
        let all = turns.len();
        // That of an answer from before, which nobody sealed.
        turns.insert(1, json!({"type": "reasoning", "id": "rs_0", "summary": []}));
        body["input"] = json!(turns);
        let (status, answer) = world.send("ada", "POST", RESPONSES, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let sent = world.upstream.requests().pop().unwrap().body;
        assert_eq!(sent["input"].as_array().unwrap().len(), all, "{sent}");
        assert_eq!(&sent["input"][1], &output[0]);
    }
    body["input"] = json!([{"type": "item_reference", "id": "msg_1"}]);
    let (status, answer) = world.send("ada", "POST", RESPONSES, body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let words = "input.0: answers are not kept here; send the item itself.";
    assert_eq!(answer["error"]["message"], words);
}

#[tokio::test]
async fn a_provider_without_older_completions_is_asked_for_an_answer() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("custom", "/v1"), "custom").await;
    world.model_at(&provider, "m", "chat-only").await;
    for stream in [false, true] {
        let said = answered(&world, COMPLETIONS, "m", stream).await;
        assert_eq!((said.text.as_str(), said.tokens.0), ("You said: one two three", 3));
    }
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 2, "one call, one row");
    assert!(rows.iter().all(|row| row.status == "completed" && row.completion_tokens == 5));
    // What cannot be had that way is told, and costs nothing.
    let mut body = question(COMPLETIONS, "m", false);
    body["suffix"] = json!("the end");
    let (status, answer) = world.send("ada", "POST", COMPLETIONS, body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().starts_with("suffix:"), "{answer}");
    let row = world.ledger().await.pop().unwrap();
    assert_eq!((row.status.as_str(), row.prompt_tokens), ("failed", 0));
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_form_of_the_surface_and_cost_nothing() {
    let settings = GatewaySettings { max_body_bytes: 2000, ..GatewaySettings::default() };
    let world = World::with(settings).await;
    world.user("ada").await;
    let with = |surface: &str, name: &str, value: Value| {
        let mut body = question(surface, "local-chat", false);
        body[name] = value;
        body
    };
    let result = json!([{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "c9", "content": "x"}]}]);
    let output = json!([{"type": "function_call_output", "call_id": "c9", "output": "x"}]);
    let huge = json!("x".repeat(3000));
    let mut cases = vec![
        (MESSAGES, with(MESSAGES, "max_tokens", Value::Null), 400, "'max_tokens' is required"),
        (MESSAGES, with(MESSAGES, "max_tokens", json!(0)), 400, "'max_tokens' is required"),
        (MESSAGES, with(MESSAGES, "max_tokens", json!("x")), 400, "'max_tokens' is not valid"),
        (MESSAGES, with(MESSAGES, "messages", json!([])), 400, "'messages' must be a list"),
        (MESSAGES, with(MESSAGES, "messages", json!([7])), 400, "messages.0.role: is required"),
        (MESSAGES, with(MESSAGES, "messages", result), 400, "no 'tool_use' block of the id 'c9'"),
        (RESPONSES, with(RESPONSES, "input", json!([])), 400, "'input' must be"),
        (RESPONSES, with(RESPONSES, "input", Value::Null), 400, "'input' must be"),
        (RESPONSES, with(RESPONSES, "input", json!(7)), 400, "'input' must be"),
        (RESPONSES, with(RESPONSES, "input", output), 400, "no 'function_call' of the call_id"),
        (
            RESPONSES,
            with(RESPONSES, "previous_response_id", json!("resp_1")),
            400,
            "previous_response_id: answers are not kept here",
        ),
        (RESPONSES, with(RESPONSES, "background", json!(true)), 400, "background: answers are not"),
        (
            RESPONSES,
            with(RESPONSES, "tools", json!([{"type": "web_search"}])),
            400,
            "no tool 'web_search'",
        ),
        (COMPLETIONS, with(COMPLETIONS, "prompt", Value::Null), 400, "'prompt' is required"),
        (COMPLETIONS, with(COMPLETIONS, "prompt", json!([1, 2])), 400, "takes one string"),
        (COMPLETIONS, with(COMPLETIONS, "n", json!(2)), 400, "n: this model takes nothing but 1"),
    ];
    for surface in SURFACES {
        cases.extend([
            (surface, with(surface, "model", json!("gpt-9")), 404, "There is no model 'gpt-9'"),
            (surface, with(surface, "model", json!(7)), 400, "must be a string, not 7"),
            (surface, with(surface, "model", Value::Null), 400, "'model' is required"),
            (surface, with(surface, "model", json!("local-embedding")), 400, "is not a model for"),
            (surface, with(surface, "stream", json!("yes")), 400, "'stream' is not valid"),
            (surface, with(surface, "padding", huge.clone()), 413, "larger than 2000 bytes"),
            (surface, json!([1]), 400, "must be an object, not a list"),
        ]);
    }
    for (surface, body, status, words) in cases {
        let (got, answer) = world.send("ada", "POST", surface, body).await;
        let at = format!("{surface}: {answer}");
        assert_eq!(got.as_u16(), status, "{at}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{words}: {at}");
        let kind = answer["error"]["type"].as_str().unwrap();
        match (surface, status) {
            (MESSAGES, 404) => assert_eq!(kind, "not_found_error", "{at}"),
            (MESSAGES, 413) => assert_eq!(kind, "request_too_large", "{at}"),
            _ => assert_eq!(kind, "invalid_request_error", "{at}"),
        }
        assert_eq!(answer["type"] == "error", surface == MESSAGES, "{at}");
    }
    for surface in SURFACES {
        let body = question(surface, "local-chat", false);
        let (status, answer) = world.send("nobody", "POST", surface, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["error"]["type"], "authentication_error", "{surface}: {answer}");
    }
    assert!(world.ledger().await.is_empty());
}

#[tokio::test]
async fn tokens_are_counted_by_anthropic_or_estimated() {
    const COUNT: &str = "/v1/messages/count_tokens";
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("anthropic", ""), "a").await;
    world.model_at(&provider, "claude", "ok").await;
    let body = |model: &str| {
        json!({"model": model, "system": "be brief",
            "messages": [{"role": "user", "content": "one two three"}]})
    };
    let (status, count) = world.send("ada", "POST", COUNT, body("claude")).await;
    assert_eq!((status, count), (StatusCode::OK, json!({"input_tokens": 5})));
    let sent = world.upstream.requests().pop().unwrap();
    assert_eq!(sent.path, COUNT);
    assert_eq!(sent.body, body("ok"));
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 1, "the provider was asked");
    assert_eq!((rows[0].status.as_str(), rows[0].prompt_tokens), ("completed", 0));
    let (status, count) = world.send("ada", "POST", COUNT, body("local-chat")).await;
    assert_eq!((status, count), (StatusCode::OK, json!({"input_tokens": 10})));
    let source = json!({"type": "text", "media_type": "text/plain", "data": "abcd".repeat(2000)});
    let document = json!({"type": "document", "source": source});
    let mut long = body("local-chat");
    long["messages"][0]["content"] = json!([document]);
    let (status, count) = world.send("ada", "POST", COUNT, long).await;
    assert_eq!((status, count), (StatusCode::OK, json!({"input_tokens": 2006})));
    assert_eq!(world.ledger().await.len(), 1, "nobody was asked");
    let (status, answer) = world.send("ada", "POST", COUNT, json!({"model": "claude"})).await;
    assert_eq!((status.as_u16(), &answer["type"]), (400, &json!("error")));
}

#[tokio::test]
async fn anthropics_clients_find_their_headers_and_their_list_of_models() {
    let settings = GatewaySettings { requests_per_minute: Some(3), ..GatewaySettings::default() };
    let world = World::with(settings).await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("anthropic", ""), "a").await;
    for (name, model) in [("claude", "ok"), ("other", "ok")] {
        world.model_at(&provider, name, model).await;
    }
    for (number, model) in ["claude", "local-chat", "claude", "claude"].into_iter().enumerate() {
        let body = question(MESSAGES, model, number == 2);
        let response = world.open("ada", "POST", MESSAGES, body).await;
        let limited = number == 3;
        assert_eq!(response.status().as_u16(), if limited { 429 } else { 200 });
        let headers = response.headers();
        assert_eq!(headers["anthropic-ratelimit-requests-limit"], "3");
        let reset = headers["anthropic-ratelimit-requests-reset"].to_str().unwrap();
        assert!(reset.len() == 20 && reset.ends_with('Z'), "{reset}");
        assert!(!headers.contains_key("x-ratelimit-limit-requests"));
        assert_eq!(headers.contains_key("retry-after"), limited);
        assert_eq!(headers["request-id"], headers["x-request-id"]);
        let mut pieces = response.into_body().into_data_stream();
        while pieces.next().await.is_some() {}
    }
    let list = async |path: &str| {
        let response = world.open_as_anthropic("ada", path).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status.as_u16(), serde_json::from_slice::<Value>(&bytes).unwrap())
    };
    let ids = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap();
        data.iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, page) = list("/v1/models?limit=2").await;
    assert_eq!(ids(&page), ["claude", "other"]);
    assert_eq!((&page["has_more"], &page["last_id"]), (&json!(true), &json!("other")));
    assert_eq!(page["data"][0]["type"], "model");
    let (_, rest) = list("/v1/models?after_id=other").await;
    assert_eq!(ids(&rest), ["local-chat", "local-embedding"]);
    assert_eq!(rest["has_more"], false);
    let (_, before) = list("/v1/models?before_id=local-chat&limit=1").await;
    assert_eq!((ids(&before), &before["has_more"]), (vec!["other".to_owned()], &json!(true)));
    let (_, one) = list("/v1/models/claude").await;
    assert_eq!((&one["id"], &one["display_name"]), (&json!("claude"), &json!("claude")));
    let (status, none) = list("/v1/models/nothing").await;
    assert_eq!((status, &none["error"]["type"]), (404, &json!("not_found_error")));
    let (status, bad) = list("/v1/models?limit=many").await;
    assert_eq!((status, &bad["type"]), (400, &json!("error")));
}

#[tokio::test]
async fn when_the_client_goes_the_call_is_cancelled_on_every_surface() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, (kind, surface)) in [
        (Kind::new("anthropic", ""), MESSAGES),
        (Kind::new("gemini", ""), MESSAGES),
        (Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") }, RESPONSES),
        (Kind::new("anthropic", ""), RESPONSES),
        (Kind::new("custom", "/v1"), COMPLETIONS),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("p{number}");
        let provider = world.at_kind(&kind, &name).await;
        world.model_at(&provider, &name, "gated").await;
        let response = world.open("ada", "POST", surface, question(surface, &name, true)).await;
        let mut pieces = response.into_body().into_data_stream();
        world.upstream.release(2);
        let mut read = String::new();
        while !read.contains("said") {
            read.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
        }
        drop(pieces);
        world.upstream.wait_for(|upstream| upstream.abandoned() == number as u64 + 1).await;
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.estimated), ("cancelled", true), "{surface}");
        assert!(row.prompt_tokens > 0 && row.completion_tokens > 0, "{surface}: {row:?}");
    }
}
