//! Every protocol behind `/v1` and behind "test connection".

use axum::http::StatusCode;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::kinds::{Kind, kinds};
use crate::world::{KEY, World, events, text_of};

const CHAT: &str = "/v1/chat/completions";

fn question(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "stream_options": {"include_usage": true},
           "messages": [{"role": "user", "content": "one two three"}]})
}

fn chunks(stream: &Value) -> Vec<Value> {
    events(stream).iter().filter_map(|data| serde_json::from_str(data).ok()).collect()
}

#[tokio::test]
async fn every_provider_answers_in_openais_form_and_is_billed_by_its_own_counts() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        world.model_at(&provider, &name, "think").await;
        let mut said = Vec::new();
        for stream in [false, true] {
            let (status, answer) = world.send("ada", "POST", CHAT, question(&name, stream)).await;
            assert_eq!(status, StatusCode::OK, "{name}: {answer}");
            let (text, reasoning, reason, usage, model) = if stream {
                let all = chunks(&answer);
                assert_eq!(events(&answer).last().unwrap(), "[DONE]", "{name}");
                let reasoning: String = all
                    .iter()
                    .filter_map(|c| c["choices"][0]["delta"]["reasoning_content"].as_str())
                    .collect();
                let last = all.last().unwrap();
                let reason = all[all.len() - 2]["choices"][0]["finish_reason"].clone();
                let text = text_of(&events(&answer));
                (text, reasoning, reason, last["usage"].clone(), last["model"].clone())
            } else {
                let choice = &answer["choices"][0];
                let text =
                    |name: &str| choice["message"][name].as_str().unwrap_or_default().to_owned();
                let (text, reasoning) = (text("content"), text("reasoning_content"));
                let reason = choice["finish_reason"].clone();
                (text, reasoning, reason, answer["usage"].clone(), answer["model"].clone())
            };
            assert_eq!(
                (text.as_str(), &reason),
                ("You said: one two three", &json!("stop")),
                "{name}"
            );
            assert!(reasoning.starts_with("let me see"), "{name}: {reasoning}");
            assert_eq!(usage["prompt_tokens"], 3, "{name}: {usage}");
            assert_eq!(usage["completion_tokens"], 8, "{name}: {usage}");
            let served = if kind.names_model { "think-001" } else { "think" };
            assert_eq!(model, served, "{name}");
            said.push((text, reasoning));
            let row = world.ledger().await.pop().unwrap();
            assert_eq!((row.status.as_str(), row.estimated), ("completed", false), "{row:?}");
            assert_eq!((row.provider.as_str(), &row.model), (kind.provider, &name));
            assert_eq!(row.served_model.as_deref(), Some(served), "{row:?}");
            assert_eq!((row.prompt_tokens, row.completion_tokens), (3, 8), "{row:?}");
            let (cached, reasons) = kind.counts;
            assert_eq!(row.cached_tokens, i64::from(cached), "{row:?}");
            assert_eq!(row.reasoning_tokens, if reasons { 3 } else { 0 }, "{row:?}");
            assert!(row.purpose == "api" && (!stream || row.first_token_ms.is_some()), "{row:?}");
        }
        assert_eq!(said[0], said[1], "{name}");
    }
    assert_eq!(world.ledger().await.len(), 2 * kinds().len());
}

#[tokio::test]
async fn tool_calls_come_whole_and_in_pieces() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().filter(|kind| kind.calls_tools).enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(kind, &name).await;
        world.model_at(&provider, &name, "tools").await;
        let (_, stream) = world.send("ada", "POST", CHAT, question(&name, true)).await;
        let all = chunks(&stream);
        let calls = all.iter().filter_map(|c| c["choices"][0]["delta"]["tool_calls"].get(0));
        let mut arguments = String::new();
        for call in calls.clone() {
            arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
        }
        let first = calls.clone().next().unwrap_or_else(|| panic!("{name}: {stream}"));
        assert_eq!(first["function"]["name"], "look_up", "{name}: {stream}");
        assert!(first["id"].as_str().is_some_and(|id| id.starts_with("call_")), "{name}: {stream}");
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments, json!({"word": "汉"}), "{name}");
        let reason = &all[all.len() - 2]["choices"][0]["finish_reason"];
        assert_eq!(reason, "tool_calls", "{name}");
    }
    // Not streamed, with what the provider wants back.
    let (_, answer) = world.send("ada", "POST", CHAT, question("anthropic-2", false)).await;
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], r#"{"word":"汉"}"#, "{answer}");
    let thinking = &call["extra_content"]["anthropic"]["thinking"][0];
    assert_eq!(thinking["signature"], "c2lnbmVk", "{answer}");
    let (_, answer) = world.send("ada", "POST", CHAT, question("gemini-3", false)).await;
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["extra_content"]["google"]["thought_signature"], "c2lnbmVk", "{answer}");
}

#[tokio::test]
async fn functions_are_tools_where_they_are_translated_and_the_answer_calls_a_function() {
    let world = World::new().await;
    world.user("ada").await;
    let functions = json!([{"name": "look_up", "parameters": {"type": "object"}}]);
    let translated = kinds().into_iter().filter(|kind| kind.calls_tools && kind.path.is_empty());
    for (number, kind) in translated.enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let provider = world.at_kind(&kind, &name).await;
        world.model_at(&provider, &name, "tools").await;
        for stream in [false, true] {
            let mut body = question(&name, stream);
            body["functions"] = functions.clone();
            let (_, answer) = world.send("ada", "POST", CHAT, body).await;
            assert!(!answer.to_string().contains("tool_calls"), "{name}: {answer}");
            let (pieces, part) = match stream {
                true => (chunks(&answer), "delta"),
                false => (vec![answer.clone()], "message"),
            };
            let choices = pieces.iter().map(|piece| &piece["choices"][0]);
            let of = |member: &str| -> String {
                let calls = choices.clone().map(|choice| &choice[part]["function_call"]);
                calls.filter_map(|call| call[member].as_str()).collect()
            };
            assert_eq!(of("name"), "look_up", "{name}: {answer}");
            assert_eq!(of("arguments"), r#"{"word":"汉"}"#, "{name}: {answer}");
            let mut reasons = choices.filter_map(|choice| choice["finish_reason"].as_str());
            assert_eq!(reasons.next_back(), Some("function_call"), "{name}: {answer}");
            assert!(world.upstream.requests().pop().unwrap().body["tools"].is_array(), "{name}");
        }
    }
    // Whoever speaks OpenAI's protocol gets what came.
    let provider = world.at_kind(&Kind::new("custom", "/v1"), "custom").await;
    world.model_at(&provider, "custom", "ok").await;
    let mut body = question("custom", false);
    body["messages"] = json!([
        {"role": "user", "content": "one two three"},
        {"role": "assistant", "content": null,
            "function_call": {"name": "look_up", "arguments": "{}"}},
        {"role": "function", "name": "look_up", "content": "found"}]);
    body["functions"] = functions;
    body["function_call"] = json!({"name": "look_up"});
    let (status, answer) = world.send("ada", "POST", CHAT, body.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let sent = world.upstream.requests().pop().unwrap().body;
    for member in ["messages", "functions", "function_call"] {
        assert_eq!(sent[member], body[member]);
    }
}

#[tokio::test]
async fn every_fault_of_every_provider_is_a_clear_error_and_a_row() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().enumerate() {
        let provider = world.at_kind(kind, &format!("{}-{number}", kind.provider)).await;
        for (model, code) in [
            ("status-401", Some("provider_unauthorized")),
            ("status-404", Some("provider_unknown_model")),
            ("status-400", Some("provider_rejected")),
            ("status-429", Some("provider_rate_limited")),
            ("status-500", Some("provider_failed")),
            ("garbage", Some("provider_malformed")),
            ("cut", Some("provider_stream_broken")),
            ("half-frame", Some("provider_stream_broken")),
            ("stream-error", Some("provider_failed")),
            ("malformed", Some("provider_malformed")),
            ("refused", Some("provider_failed")),
            ("invalid-utf8", None),
            ("no-usage", None),
        ] {
            let name = format!("{}-{number}-{model}", kind.provider);
            world.model_at(&provider, &name, model).await;
            let (_, answer) = world.send("ada", "POST", CHAT, question(&name, true)).await;
            // Before the stream has begun the error is a document, afterwards its last event.
            let last = match &answer {
                Value::String(_) => events(&answer).last().unwrap().clone(),
                document => document.to_string(),
            };
            let row = world.ledger().await.pop().unwrap();
            match code {
                Some(code) => {
                    assert!(last.contains(&format!("\"code\":\"{code}\"")), "{name}: {last}");
                    assert_eq!(
                        (row.status.as_str(), row.error_code.as_deref()),
                        ("failed", Some(code))
                    );
                }
                None => {
                    assert_eq!(last, "[DONE]", "{name}: {answer}");
                    assert_eq!(row.status, "completed", "{name}");
                    assert_eq!(row.estimated, model == "no-usage", "{name}: {row:?}");
                }
            }
            // What was refused before it began costs nothing, even with status 200.
            let refused = model.starts_with("status-") || model == "refused";
            assert_eq!(row.prompt_tokens == 0, refused, "{name}: {row:?}");
            assert!(!answer.to_string().contains(KEY), "{name}");
        }
        let limited = format!("{}-{number}-status-429", kind.provider);
        let response = world.open("ada", "POST", CHAT, question(&limited, true)).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{limited}");
        assert_eq!(response.headers()["retry-after"], "1", "{limited}");
    }
}

#[tokio::test]
async fn when_the_client_goes_a_dify_application_is_told_to_stop() {
    let world = World::new().await;
    let ada = world.user("ada").await;
    let kind = Kind::new("dify", "");
    let provider = world.at_kind(&kind, "app").await;
    world.model_at(&provider, "app", "gated").await;
    let response = world.open("ada", "POST", CHAT, question("app", true)).await;
    let mut pieces = response.into_body().into_data_stream();
    world.upstream.release(2);
    let mut read = String::new();
    while !read.contains("said") {
        read.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
    }
    drop(pieces);
    let stopped = |path: &str| path == "/v1/chat-messages/task-1/stop";
    world.upstream.wait_for(|up| up.requests().iter().any(|r| stopped(&r.path))).await;
    let requests = world.upstream.requests();
    let stop = requests.iter().find(|request| stopped(&request.path)).unwrap();
    // The same name as the question's: the person's own.
    assert_eq!(stop.body, json!({"user": ada.to_string()}));
    assert_eq!(requests[0].body["user"], json!(ada.to_string()));
    assert_eq!(world.ledger().await.pop().unwrap().status, "cancelled");
}

#[tokio::test]
async fn models_that_only_stream_answer_in_one_piece_too() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("qwen", "/v1"), "qwen").await;
    world.model_at(&provider, "only", "stream-only").await;
    let (status, answer) = world.send("ada", "POST", CHAT, question("only", false)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "You said: one two three");
    assert_eq!(answer["usage"]["completion_tokens"], 5);
    let rows = world.ledger().await;
    assert_eq!(rows.len(), 1, "one call, one row");
    assert_eq!((rows[0].status.as_str(), rows[0].completion_tokens), ("completed", 5));
    // A body that ends before its announced length is no answer.
    world.model_at(&provider, "short", "wrong-length").await;
    let (_, answer) = world.send("ada", "POST", CHAT, question("short", false)).await;
    assert_eq!(answer["error"]["code"], "provider_stream_broken", "{answer}");
}

#[tokio::test]
async fn settings_of_a_provider_go_into_its_requests() {
    let world = World::new().await;
    world.user("ada").await;
    for (kind, path, config, member, value) in [
        ("qwen", "/v1", json!({"enable_thinking": false}), "enable_thinking", json!(false)),
        ("doubao", "/v1", json!({"thinking": "disabled"}), "thinking", json!({"type": "disabled"})),
        ("doubao", "/v1", json!({"thinking": "auto"}), "thinking", Value::Null),
        ("ollama", "", json!({"keep_alive": "10m"}), "keep_alive", json!("10m")),
        ("ollama", "", json!({"keep_alive": ""}), "keep_alive", Value::Null),
    ] {
        let name = format!("{kind} {config}");
        let kind = Kind { config, ..Kind::new(kind, path) };
        let provider = world.at_kind(&kind, &name).await;
        world.model_at(&provider, &name, "ok").await;
        world.send("ada", "POST", CHAT, question(&name, false)).await;
        let body = world.upstream.requests().pop().unwrap().body;
        assert_eq!(body[member], value, "{name}: {body}");
    }
}

#[tokio::test]
async fn ollama_is_told_how_long_a_models_context_is() {
    let world = World::new().await;
    world.user("ada").await;
    for (name, path, options, told) in [
        ("known", "", json!({}), json!(9000)),
        ("chosen", "", json!({"options": {"num_ctx": 2048}}), json!(2048)),
        // Its other protocol has no place for it.
        ("other", "/v1", json!({}), Value::Null),
    ] {
        let provider = world.at_kind(&Kind::new("ollama", path), name).await;
        let body = json!({"provider_config_id": provider, "name": name, "model": "ok",
            "kind": "chat", "context_length": 9000, "options": options});
        let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
        world.send("ada", "POST", CHAT, question(name, false)).await;
        let body = world.upstream.requests().pop().unwrap().body;
        assert_eq!(body["options"]["num_ctx"], told, "{name}: {body}");
    }
    // A request with options of its own leaves the others open.
    let mut asked = question("known", false);
    asked["options"] = json!({"min_p": 0.25});
    world.send("ada", "POST", CHAT, asked).await;
    let options = world.upstream.requests().pop().unwrap().body["options"].clone();
    assert_eq!((&options["num_ctx"], &options["min_p"]), (&json!(9000), &json!(0.25)));
}

#[tokio::test]
async fn embeddings_come_from_the_providers_that_have_them() {
    let world = World::new().await;
    world.user("ada").await;
    for (kind, path, estimated) in
        [("gemini", "", true), ("ollama", "", false), ("qwen", "/v1", false)]
    {
        let provider = world.at_kind(&Kind::new(kind, path), kind).await;
        let model = format!("embed-{kind}");
        world.model("ada", &provider, &model, "embedding").await;
        let body = json!({"model": model, "input": ["a b", "c"], "encoding_format": "float"});
        let (status, answer) = world.send("ada", "POST", "/v1/embeddings", body).await;
        assert_eq!(status, StatusCode::OK, "{kind}: {answer}");
        assert_eq!(answer["data"][1]["index"], 1, "{kind}");
        assert_eq!(answer["data"][0]["embedding"].as_array().unwrap().len(), 8, "{kind}");
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.estimated), ("completed", estimated), "{row:?}");
        // Words where it counts, an estimate where it does not.
        assert_eq!(row.prompt_tokens, if estimated { 2 } else { 3 }, "{row:?}");
    }
    for kind in ["anthropic", "dify"] {
        let provider = world.at_kind(&Kind::new(kind, ""), kind).await;
        let body = json!({"provider_config_id": provider, "model": "m", "kind": "embedding"});
        let (status, answer) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!((status.as_u16(), &answer["field"]), (422, &json!("kind")), "{answer}");
    }
}

#[tokio::test]
async fn a_test_asks_each_provider_in_its_own_way() {
    let world = World::new().await;
    world.user("ada").await;
    for (number, kind) in kinds().iter().enumerate() {
        let name = format!("{}-{number}", kind.provider);
        let id = world.at_kind(kind, &name).await;
        let path = format!("/api/v1/providers/{id}");
        let (_, test) = world.send("ada", "POST", &format!("{path}/test"), Value::Null).await;
        assert_eq!(test["ok"], true, "{name}: {test}");
        let words = match kind.provider {
            "dify" => "It answers as the application Mock app.",
            _ => "It answers and lists 12 models.",
        };
        assert_eq!(test["detail"], words, "{name}");
        let (_, models) = world.send("ada", "GET", &format!("{path}/models"), Value::Null).await;
        let wanted = if kind.provider == "dify" { "Mock app" } else { "ok" };
        let listed = models["items"].as_array().unwrap();
        assert!(listed.iter().any(|model| model["id"] == wanted), "{name}: {models}");
        let wrong = json!({"api_key": "sk-wrong-0123456789"});
        assert_eq!(world.send("ada", "PATCH", &path, wrong).await.0, StatusCode::OK);
        let (_, test) = world.send("ada", "POST", &format!("{path}/test"), Value::Null).await;
        assert_eq!(test["code"], "provider_unauthorized", "{name}: {test}");
    }
    for (number, kind) in ["gemini", "ollama", "dify"].into_iter().enumerate() {
        let address = format!("{}/elsewhere", world.upstream.origin);
        let name = format!("lost-{number}");
        let id = world.provider_of("ada", kind, &name, &address, json!({})).await;
        let path = format!("/api/v1/providers/{id}/test");
        let (_, test) = world.send("ada", "POST", &path, Value::Null).await;
        assert_eq!(
            (&test["ok"], &test["code"]),
            (&json!(false), &json!("wrong_address")),
            "{test}"
        );
    }
    // Where there is no list, a model that was set up is asked for a token.
    let address = format!("{}/elsewhere/v1", world.upstream.origin);
    let id = world.provider_of("ada", "spark", "lonely", &address, json!({})).await;
    let path = format!("/api/v1/providers/{id}/test");
    let (_, test) = world.send("ada", "POST", &path, Value::Null).await;
    assert_eq!((&test["ok"], &test["code"]), (&json!(true), &json!("no_model_list")), "{test}");
    world.model_at(&id, "lite", "lite").await;
    let (_, test) = world.send("ada", "POST", &path, Value::Null).await;
    assert_eq!(test["code"], "provider_unknown_model", "{test}");
    assert_eq!(world.ledger().await.pop().unwrap().purpose, "test");
}

#[tokio::test]
async fn a_region_is_an_address_and_another_one_wants_another_key() {
    let world = World::new().await;
    world.user("ada").await;
    let body = json!({"provider": "qwen", "name": "q", "scope": "personal", "api_key": KEY,
        "config": {"region": "singapore"}});
    let (status, view) = world.send("ada", "POST", "/api/v1/providers", body).await;
    assert_eq!(status, StatusCode::CREATED, "{view}");
    let singapore = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1";
    assert_eq!(view["base_url"], singapore);
    let path = format!("/api/v1/providers/{}", view["id"].as_str().unwrap());
    let mut moved = json!({"config": {"region": "virginia"}});
    let (status, answer) = world.send("ada", "PATCH", &path, moved.clone()).await;
    assert_eq!((status.as_u16(), &answer["field"]), (422, &json!("api_key")), "{answer}");
    moved["api_key"] = json!("sk-of-virginia-1");
    let (_, view) = world.send("ada", "PATCH", &path, moved).await;
    assert_eq!(view["base_url"], "https://dashscope-us.aliyuncs.com/compatible-mode/v1");
    // The same region again leaves the address as it is.
    let same = json!({"config": {"region": "virginia", "enable_thinking": true}});
    assert_eq!(world.send("ada", "PATCH", &path, same).await.0, StatusCode::OK);
    let unknown = json!({"config": {"region": "moon"}});
    let (_, answer) = world.send("ada", "PATCH", &path, unknown).await;
    assert_eq!(answer["field"], "config.region", "{answer}");
}
