//! Traces of the running program, as a collector gets them; and its log.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lyceum_testkit::{PASSWORD, Session};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::collector::{Collector, Mood, attribute};
use crate::world::{World, id, knowledge_base, processed, program, upload};

const QUESTION: &str = "Where does Zanzibar keep its cloves?";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
/// Spans go out soon.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "50");

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn says(span: &Span, name: &str) -> Option<String> {
    attribute(&span.attributes, name)
}

fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == SpanStatus::Error as i32)
}

fn question(model: &str, further: Value) -> Value {
    let mut body = json!({ "model": model, "temperature": 0.25, "max_tokens": 50,
                           "messages": [{ "role": "user", "content": QUESTION }] });
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    body
}

/// Asks `/v1` and answers the status and the text.
async fn complete(person: &Session, body: Value, traceparent: &str) -> (u16, String) {
    let answer = person
        .request(Method::POST, "/v1/chat/completions")
        .header("traceparent", traceparent)
        .json(&body)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn continued(last: u8) -> (String, String) {
    let trace = format!("{}{last:02x}", &TRACE[..30]);
    let header = format!("00-{trace}-{CALLER}-01");
    (trace, header)
}

/// The spans of a trace: that of the request, and those of its calls, by attempt.
async fn spans_of(collector: &Collector, trace: &str) -> (Span, Vec<Span>) {
    let request = collector
        .span(|span| hex(&span.trace_id) == trace && span.kind == SpanKind::Server as i32)
        .await;
    // A parent is exported after its children.
    let mut calls = collector.spans();
    calls.retain(|span| span.parent_span_id == request.span_id);
    calls.sort_by_key(|call| says(call, "lyceum.attempt"));
    (request, calls)
}

async fn metric(world: &World, line: &str) -> f64 {
    let answer = world.admin.request(Method::GET, "/metrics").send().await.unwrap();
    let text = answer.text().await.unwrap();
    let value = text.lines().find_map(|found| found.strip_prefix(line));
    value.map_or(0.0, |value| value.trim().parse().unwrap())
}

/// Waits until a figure is at least so high.
async fn metric_reaches(world: &World, line: &str, wanted: f64) {
    for _ in 0..600 {
        if metric(world, line).await >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{line} does not reach {wanted}");
}

#[tokio::test]
async fn a_call_is_traced_from_the_caller_to_the_provider_without_a_word_of_it() {
    let collector = Collector::start(Mood::Takes).await;
    let settings = [
        SOON,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=the-collectors-key"),
        ("OTEL_SERVICE_NAME", "campus"),
        ("LYCEUM_TELEMETRY__TELL_PROVIDERS", "true"),
    ];
    let world = World::with(program(), &settings).await.unwrap();
    world.model(&world.alice, "think").await.unwrap();
    let (trace, header) = continued(1);
    let (status, answer) = complete(&world.alice, question("think", json!({})), &header).await;
    assert_eq!(status, 200, "{answer}");
    let (request, calls) = spans_of(&collector, &trace).await;
    assert_eq!(request.name, "POST /v1/chat/completions");
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(says(&request, "http.response.status_code").as_deref(), Some("200"));
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((call.name.as_str(), call.kind), ("chat think", SpanKind::Client as i32));
    let upstream = url::Url::parse(&world.upstream.origin).unwrap();
    for (name, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "custom"),
        ("gen_ai.request.model", "think"),
        ("gen_ai.request.temperature", "0.25"),
        ("gen_ai.request.max_tokens", "50"),
        ("gen_ai.response.model", "think-001"),
        ("gen_ai.response.finish_reasons", "stop"),
        ("gen_ai.usage.input_tokens", "6"),
        ("gen_ai.usage.cache_read.input_tokens", "1"),
        ("server.address", "127.0.0.1"),
        ("server.port", &upstream.port().unwrap().to_string()),
        ("lyceum.status", "completed"),
    ] {
        assert_eq!(says(call, name).as_deref(), Some(value), "{name}: {call:#?}");
    }
    assert!(call.end_time_unix_nano <= request.end_time_unix_nano);
    let told = world.upstream.requests().pop().unwrap().traceparent.unwrap();
    assert_eq!(told, format!("00-{trace}-{}-01", hex(&call.span_id)));

    let (trace, header) = continued(2);
    let streamed = question("think", json!({ "stream": true }));
    let (status, answer) = complete(&world.alice, streamed, &header).await;
    assert!(status == 200 && answer.contains("[DONE]"), "{answer}");
    let (request, calls) = spans_of(&collector, &trace).await;
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!(says(call, "gen_ai.request.stream").as_deref(), Some("true"));
    assert_eq!(says(call, "gen_ai.response.finish_reasons").as_deref(), Some("stop"));
    assert!(says(call, "gen_ai.response.time_to_first_chunk").is_some(), "{call:#?}");
    assert!(call.end_time_unix_nano <= request.end_time_unix_nano);

    assert_eq!(attribute(&collector.resource(), "service.name").as_deref(), Some("campus"));
    assert_eq!(collector.headers()["x-collector-key"], "the-collectors-key");
    let text = collector.text();
    for secret in ["Zanzibar", "You said", "sk-upstream-key", "the-collectors-key", PASSWORD] {
        assert!(!text.contains(secret), "{secret} is in a span");
    }
}

#[tokio::test]
async fn every_attempt_of_a_route_has_its_span_and_a_failure_its_cause() {
    let collector = Collector::start(Mood::Takes).await;
    let settings = [SOON, ("LYCEUM_TELEMETRY__OTLP_ENDPOINT", collector.url.as_str())];
    let world = World::with(program(), &settings).await.unwrap();
    let failing = world.model(&world.alice, "status-500").await.unwrap();
    let working = world.model(&world.alice, "ok").await.unwrap();
    let (trace, header) = continued(3);
    let (status, _) = complete(&world.alice, question("status-500", json!({})), &header).await;
    assert_eq!(status, 502);
    let (request, calls) = spans_of(&collector, &trace).await;
    assert!(has_failed(&request));
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert!(has_failed(call), "{call:#?}");
    assert_eq!(says(call, "error.type").as_deref(), Some("provider_failed"));
    assert_eq!(call.status.as_ref().unwrap().message, "");

    let route = json!({ "name": "any", "scope": "personal", "settings": { "retries": 0 },
        "targets": [{ "model_config_id": failing.model, "priority": 1 },
                    { "model_config_id": working.model, "priority": 2 }] });
    world.alice.post("/api/v1/model-routes", route).await.unwrap();
    let (trace, header) = continued(4);
    let (status, answer) = complete(&world.alice, question("any", json!({})), &header).await;
    assert_eq!(status, 200, "{answer}");
    let (request, calls) = spans_of(&collector, &trace).await;
    assert!(!has_failed(&request));
    let [first, second] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((first.name.as_str(), second.name.as_str()), ("chat status-500", "chat ok"));
    assert!(has_failed(first) && !has_failed(second));
    for call in &calls {
        assert_eq!(says(call, "lyceum.route").as_deref(), Some("any"));
    }
    let told = world.upstream.requests().into_iter().find_map(|request| request.traceparent);
    assert_eq!(told, None, "nobody asked for providers to be told");
}

#[tokio::test]
async fn jobs_and_searches_are_traced() {
    let collector = Collector::start(Mood::Takes).await;
    let settings = [SOON, ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let world = World::with(program(), &settings).await.unwrap();
    let base = knowledge_base(&world.alice, "spices").await.unwrap();
    let text = b"Zanzibar keeps its cloves in the old fort.".to_vec();
    let (_, document) = upload(&world.alice, &base, "cloves.txt", text).await.unwrap();
    let document = processed(&world.alice, &id(&document).unwrap()).await.unwrap();
    assert_eq!(document["status"], "completed", "{document}");
    let embedding = collector.span(|span| span.name.starts_with("embeddings ")).await;
    let job = collector.span(|span| span.span_id == embedding.parent_span_id).await;
    assert!(job.name.starts_with("job knowledge."), "{}", job.name);
    assert_eq!(job.kind, SpanKind::Consumer as i32);

    let path = format!("/api/v1/knowledge-bases/{base}/search");
    world.alice.post(&path, json!({ "query": QUESTION })).await.unwrap();
    let retrieval = collector.span(|span| span.name == "retrieval").await;
    assert_eq!(says(&retrieval, "gen_ai.data_source.id"), Some(base));
    assert_eq!(says(&retrieval, "lyceum.retrieval.chunks").as_deref(), Some("1"));
    let spans = collector.spans();
    let within = |name: &str, parent: &Span| {
        let found = spans
            .iter()
            .find(|span| span.name.starts_with(name) && span.parent_span_id == parent.span_id);
        found.unwrap_or_else(|| panic!("no {name} in {}", parent.name)).clone()
    };
    within("search by words", &retrieval);
    within("embeddings ", &within("search by meaning", &retrieval));
    assert!(!collector.text().contains("Zanzibar"), "a word of the question is in a span");
}

#[tokio::test]
async fn a_collector_that_fails_is_told_once_and_costs_no_call() {
    let collector = Collector::start(Mood::Fails).await;
    let settings = [SOON, ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let world = World::with(program(), &settings).await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    for _ in 0..3 {
        let before = collector.asked();
        let (status, answer) =
            complete(&world.alice, question("ok", json!({})), &continued(5).1).await;
        assert_eq!(status, 200, "{answer}");
        collector.asked_times(before + 1).await;
    }
    metric_reaches(&world, r#"lyceum_trace_spans_total{outcome="lost"}"#, 6.0).await;
    collector.be(Mood::Takes);
    complete(&world.alice, question("ok", json!({})), &continued(6).1).await;
    spans_of(&collector, &continued(6).0).await;
    let path = "/api/v1/system/logs?q=collector";
    let told = loop {
        let logs = world.admin.get(path).await.unwrap();
        let items = logs["items"].as_array().unwrap().clone();
        if !items.is_empty() {
            break items;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    assert!(told.to_string().contains("500"), "{told}");
}

#[tokio::test]
async fn a_collector_that_never_answers_loses_spans_and_holds_up_nothing() {
    let collector = Collector::start(Mood::Hangs).await;
    let settings = [SOON, ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())];
    let world = World::with(program(), &settings).await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    collector.asked_times(1).await;
    // The collector holds on to the first batch all the while.
    let dropped = r#"lyceum_trace_spans_total{outcome="dropped"}"#;
    while metric(&world, dropped).await < 1.0 {
        let requests = (0..100).map(|_| world.alice.request(Method::GET, "/api/v1/health").send());
        futures::future::try_join_all(requests).await.unwrap();
    }
    let (status, answer) = complete(&world.alice, question("ok", json!({})), &continued(7).1).await;
    assert_eq!(status, 200, "{answer}");
    // It ends all the same, within what `stop` waits for.
    assert!(world.server.stop().await.unwrap().success());
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_call() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{gone}");
    let settings = [SOON, ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let world = World::with(program(), &settings).await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let (status, answer) = complete(&world.alice, question("ok", json!({})), &continued(8).1).await;
    assert_eq!(status, 200, "{answer}");
    metric_reaches(&world, r#"lyceum_trace_spans_total{outcome="lost"}"#, 1.0).await;
    assert!(world.server.stop().await.unwrap().success());
}

/// The program with its standard error in a file beside it.
pub fn logging_to(folder: &Path) -> (PathBuf, PathBuf) {
    let (script, log) = (folder.join("logged.sh"), folder.join("log"));
    let (program, file) = (program().display(), log.display());
    let text = format!("#!/bin/sh\nexec '{program}' \"$@\" 2>'{file}'\n");
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    (script, log)
}

#[tokio::test]
async fn lines_of_the_log_name_their_trace() {
    let collector = Collector::start(Mood::Takes).await;
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = logging_to(folder.path());
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("LYCEUM_LOG__JSON", "true"),
        ("LYCEUM_LOG__FILTER", "lyceum=debug,info"),
    ];
    let world = World::with(&program, &settings).await.unwrap();
    world.model(&world.alice, "ok").await.unwrap();
    let (trace, header) = continued(9);
    complete(&world.alice, question("ok", json!({})), &header).await;
    assert!(world.server.stop().await.unwrap().success());
    let text = std::fs::read_to_string(log).unwrap();
    // Child processes write there, too.
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_trace: Vec<&Value> = lines.iter().filter(|line| line["trace_id"] == *trace).collect();
    let request = of_trace.iter().find(|line| line["fields"]["message"] == "request");
    let request = request.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(request["span_id"].as_str().unwrap().len(), 16, "{request}");
    assert!(lines.iter().any(|line| line.get("trace_id").is_none()), "the start has no trace");
    // The end delivers what waits.
    let (request, calls) = spans_of(&collector, &trace).await;
    assert_eq!((request.name.as_str(), calls.len()), ("POST /v1/chat/completions", 1));
}

#[tokio::test]
async fn a_log_in_a_file_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = logging_to(folder.path());
    let world = World::with(&program, &[]).await.unwrap();
    assert!(world.server.stop().await.unwrap().success());
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("ready") && !text.contains('\u{1b}'), "{text}");
}
