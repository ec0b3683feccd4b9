//! What is passed on where a provider answers in its own way, and what is left out for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::kinds::Kind;
use crate::routes::{CHAT, question};
use crate::said::{self, COMPLETIONS, MESSAGES, RESPONSES, of_document, of_stream};
use crate::world::World;

/// A provider that gives every request the same answer.
pub struct Scripted {
    pub base_url: String,
    asked: Arc<Mutex<usize>>,
}

#[derive(Clone)]
struct Script {
    status: StatusCode,
    location: Option<String>,
    body: String,
    asked: Arc<Mutex<usize>>,
}

impl Scripted {
    async fn start(status: u16, location: Option<String>, body: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(0));
        let status = StatusCode::from_u16(status).unwrap();
        let script = Script { status, location, body, asked: asked.clone() };
        let app = Router::new().fallback(answer).with_state(script);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base_url, asked }
    }

    pub async fn saying(body: impl ToString) -> Self {
        Self::start(200, None, body.to_string()).await
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// Its model `name`, whose payloads are kept.
    pub async fn model(&self, world: &World, name: &str) {
        let provider = world.provider_of("ada", "custom", name, &self.base_url, json!({})).await;
        let body = json!({"provider_config_id": provider, "name": name, "model": "m",
            "kind": "chat", "log_payloads": "all"});
        let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        assert_eq!(status, StatusCode::CREATED, "{view}");
    }
}

async fn answer(State(script): State<Script>) -> Response {
    *script.asked.lock().unwrap() += 1;
    let mut response = (script.status, script.body).into_response();
    if let Some(location) = script.location {
        response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
    }
    response
}

pub fn stream_of(chunks: &[Value]) -> String {
    let data: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    data + "data: [DONE]\n\n"
}

/// The payload of the latest call.
async fn payload(world: &World) -> Value {
    world.gateway.flush().await;
    let mut tx = world.test.db.begin_maintenance().await.unwrap();
    let call: uuid::Uuid = sqlx::query_scalar(
        "SELECT id FROM gateway.usage_statistics ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    drop(tx);
    let path = format!("/api/v1/usage/calls/{call}/payload");
    let (status, found) = world.send("root", "GET", &path, Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    found
}

#[tokio::test]
async fn an_answer_in_parts_is_passed_on_and_counted() {
    let world = World::new().await;
    world.user("ada").await;
    world.admin("root").await;
    let content = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "It is so."}]);
    let usage = json!({"prompt_tokens": 30, "completion_tokens": 7.0});
    let whole = json!({"id": "c", "created": 1.5, "model": "magistral", "usage": usage, "choices":
        [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]});
    Scripted::saying(&whole).await.model(&world, "whole").await;
    let piece = json!({"id": "c", "created": 1.5, "model": "magistral",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": null}]});
    let end = json!({"id": "c", "created": 1.5, "model": "magistral", "usage": usage,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]});
    Scripted::saying(stream_of(&[piece.clone(), end])).await.model(&world, "stream").await;
    for name in ["whole", "stream"] {
        let (status, answer) =
            world.send("ada", "POST", CHAT, question(name, name == "stream")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        match name {
            "whole" => assert_eq!(answer, whole),
            _ => assert!(answer.as_str().unwrap().contains(&piece.to_string()), "{answer}"),
        }
        let row = world.ledger().await.pop().unwrap();
        assert_eq!((row.status.as_str(), row.estimated), ("completed", false), "{row:?}");
        assert_eq!((row.prompt_tokens, row.completion_tokens), (30, 7), "{row:?}");
        let kept = payload(&world).await;
        assert_eq!((&kept["answer"], &kept["reasoning"]), (&json!("It is so."), &json!("hm")));
    }
}

#[tokio::test]
async fn calls_and_reasoning_of_an_answer_in_one_piece_are_kept_and_estimated() {
    let world = World::new().await;
    world.user("ada").await;
    world.admin("root").await;
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "look_up", "arguments": "{\"word\":\"one two three\"}"}});
    let message = json!({"role": "assistant", "content": null, "reasoning_content": "let me see",
        "tool_calls": [call]});
    let whole = json!({"id": "c", "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    Scripted::saying(&whole).await.model(&world, "calls").await;
    let (status, answer) = world.send("ada", "POST", CHAT, question("calls", false)).await;
    assert_eq!((status, answer), (StatusCode::OK, whole));
    let row = world.ledger().await.pop().unwrap();
    // 24 characters of arguments and 10 of reasoning.
    assert_eq!((row.estimated, row.completion_tokens, row.reasoning_tokens), (true, 9, 3));
    let kept = payload(&world).await;
    assert_eq!(kept["answer"], "{\"word\":\"one two three\"}");
    assert_eq!(kept["reasoning"], "let me see");
}

#[tokio::test]
async fn a_refusal_of_the_model_is_told_on_every_surface() {
    let world = World::new().await;
    world.user("ada").await;
    let piece = json!({"id": "c", "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "refusal": "No."}}]});
    let end = json!({"id": "c", "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    Scripted::saying(stream_of(&[piece, end])).await.model(&world, "refuses").await;
    for (surface, reason) in [(MESSAGES, "refusal"), (RESPONSES, "completed")] {
        for stream in [false, true] {
            let body = said::question(surface, "refuses", stream);
            let (status, answer) = world.send("ada", "POST", surface, body).await;
            assert_eq!(status, StatusCode::OK, "{surface}: {answer}");
            let said =
                if stream { of_stream(surface, &answer) } else { of_document(surface, &answer) };
            assert_eq!((said.text.as_str(), said.end.as_str()), ("No.", reason), "{surface}");
            assert!(answer.to_string().contains("refusal"), "{surface}: {answer}");
        }
    }
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_a_provider() {
    let world = World::new().await;
    world.user("ada").await;
    let target = Scripted::saying(json!({"choices": []})).await;
    for status in [302, 307, 308] {
        let location = Some(format!("{}/chat/completions", target.base_url));
        let provider = Scripted::start(status, location, String::new()).await;
        let name = format!("moved-{status}");
        provider.model(&world, &name).await;
        for stream in [false, true] {
            let (answered, answer) = world.send("ada", "POST", CHAT, question(&name, stream)).await;
            assert_eq!(answered, StatusCode::BAD_GATEWAY, "{answer}");
            let words = answer["error"]["message"].as_str().unwrap();
            assert!(words.contains("redirects elsewhere"), "{words}");
        }
        assert_eq!(provider.asked(), 2);
    }
    assert_eq!(target.asked(), 0);
}

#[tokio::test]
async fn openai_gets_none_of_the_members_that_it_refuses_and_others_get_them_all() {
    let world = World::new().await;
    world.user("ada").await;
    let call = json!({"id": "c1", "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}}});
    let turns = json!([{"role": "user", "content": "the \"extra_content\" of it"},
        {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"}]);
    for (kind, stays) in [("openai", false), ("custom", true)] {
        let provider = world.at_kind(&Kind::new(kind, "/v1"), kind).await;
        world.model_at(&provider, kind, "ok").await;
        for stream in [false, true] {
            let body = json!({"model": kind, "stream": stream, "messages": turns,
                "stream_options": {"include_obfuscation": false}});
            let (status, answer) = world.send("ada", "POST", CHAT, body).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let sent = world.upstream.requests().pop().unwrap().body;
            let turn = &sent["messages"][1];
            assert_eq!(turn.get("reasoning_content").is_some(), stays, "{kind}: {sent}");
            assert_eq!(turn["tool_calls"][0].get("extra_content").is_some(), stays, "{kind}");
            assert_eq!(turn["tool_calls"][0]["function"], turns[1]["tool_calls"][0]["function"]);
            assert_eq!(sent["messages"][0], turns[0]);
            if stream {
                let options = json!({"include_obfuscation": false, "include_usage": true});
                assert_eq!(sent["stream_options"], options);
            }
        }
    }
}

#[tokio::test]
async fn anthropic_counts_no_thinking_of_others() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.at_kind(&Kind::new("anthropic", ""), "a").await;
    world.model_at(&provider, "claude", "ok").await;
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "lyceum:"});
    let body = json!({"model": "claude", "messages": [{"role": "user", "content": "q"},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]},
        {"role": "user", "content": "and?"}]});
    let (status, answer) = world.send("ada", "POST", "/v1/messages/count_tokens", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let sent = world.upstream.requests().pop().unwrap().body;
    assert_eq!(sent["messages"][1]["content"], json!([{"type": "text", "text": "a"}]));
}

#[tokio::test]
async fn older_completions_stream_through_a_route_as_they_come() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let model = world.model("ada", &provider, "gated", "chat").await;
    world.route("ada", "route", &[&model], json!({})).await;
    // Of the five words of the answer only two are there.
    world.upstream.release(2);
    let asking = world.open("ada", "POST", COMPLETIONS, said::question(COMPLETIONS, "route", true));
    let response = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert_eq!(response.expect("the route waits for the end").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_target_of_any_script_can_be_named() {
    let world = World::new().await;
    world.user("ada").await;
    let provider = world.provider("ada", "mock").await;
    let mut ids = Vec::new();
    for (name, model) in [("erste", "slow"), ("通义", "ok")] {
        let body = json!({"provider_config_id": provider, "name": name, "model": model,
            "kind": "chat"});
        let (_, view) = world.send("ada", "POST", "/api/v1/models", body).await;
        ids.push(view["id"].as_str().unwrap().to_owned());
    }
    world.route("ada", "route", &[&ids[0], &ids[1]], json!({})).await;
    for (target, status) in [("通义".as_bytes(), 200), (&b"\xff"[..], 400)] {
        let request = Request::post(CHAT)
            .header(header::AUTHORIZATION, "Bearer ada")
            .header("x-lyceum-target", HeaderValue::from_bytes(target).unwrap())
            .body(Body::from(question("route", false).to_string()))
            .unwrap();
        let response = world.app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        if status == 200 {
            assert_eq!(response.headers()["x-lyceum-served-model"], "ok");
        }
        to_bytes(response.into_body(), usize::MAX).await.unwrap();
    }
    let response = world.open("ada", "POST", CHAT, question("通义", false)).await;
    let requested = response.headers()["x-lyceum-requested-model"].as_bytes().to_vec();
    assert_eq!(String::from_utf8(requested).unwrap(), "通义");
}

#[tokio::test]
async fn a_route_falls_back_on_the_surfaces_whose_own_form_is_passed_on() {
    let world = World::new().await;
    world.user("ada").await;
    let responses = Kind { config: json!({"api": "responses"}), ..Kind::new("openai", "") };
    let settings = json!({"retries": 0, "answer_timeout_ms": 500, "first_token_timeout_ms": 500});
    for (surface, kind) in [(MESSAGES, Kind::new("anthropic", "")), (RESPONSES, responses)] {
        let provider = world.at_kind(&kind, kind.provider).await;
        let target = async |model: &str| {
            let body = json!({"provider_config_id": provider, "name": format!("{model} {surface}"),
                "model": model, "kind": "chat"});
            let (status, view) = world.send("ada", "POST", "/api/v1/models", body).await;
            assert_eq!(status, StatusCode::CREATED, "{view}");
            view["id"].as_str().unwrap().to_owned()
        };
        let good = target("ok").await;
        for (model, code) in [
            ("status-500", "provider_failed"),
            ("status-429", "provider_rate_limited"),
            ("hang", "provider_timeout"),
            ("refused", "provider_failed"),
        ] {
            let broken = target(model).await;
            let name = format!("{surface} {model}");
            world.route("ada", &name, &[&broken, &good], settings.clone()).await;
            for stream in [false, true] {
                // It refuses streams alone.
                if model == "refused" && !stream {
                    continue;
                }
                let body = said::question(surface, &name, stream);
                let response = world.open("ada", "POST", surface, body).await;
                assert_eq!(response.status(), StatusCode::OK, "{name} {stream}");
                assert_eq!(response.headers()["x-lyceum-attempts"], "2", "{name} {stream}");
                assert_eq!(response.headers()["x-lyceum-served-model"], "ok", "{name} {stream}");
                let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
                let said = match stream {
                    true => of_stream(surface, &json!(String::from_utf8_lossy(&bytes))),
                    false => of_document(surface, &serde_json::from_slice(&bytes).unwrap()),
                };
                assert_eq!(said.text, "You said: one two three", "{name} {stream}");
                let rows = world.ledger().await;
                let [failed, answered] = &rows[rows.len() - 2..] else { panic!("{rows:?}") };
                assert_eq!(failed.error_code.as_deref(), Some(code), "{name}: {failed:?}");
                for (row, status, served) in
                    [(failed, "failed", model), (answered, "completed", "ok")]
                {
                    assert_eq!((row.status.as_str(), &row.model), (status, &name));
                    assert_eq!(row.served_model.as_deref(), Some(served), "{row:?}");
                }
            }
        }
    }
}
