//! Chunks a second from upload to searchable, against the bare embedding engine on the very same
//! chunks, with the same threads. The two take turns.
//!
//! `cargo xtask bench ingestion`.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lyceum_engine::{EngineConfig, LocalEngine};
use lyceum_llm::{EmbeddingModel as _, EmbeddingRequest, EmbeddingTask};
use lyceum_testkit::{ServerProcess, Session};
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use support::{print_machine, program, spread};

const REPEATS: usize = 5;
/// Paragraphs of a document: some 30,000 tokens.
const PARAGRAPHS: usize = 400;
/// Texts that the bare engine gets at a time, as an ingestion does.
const BATCH: usize = 32;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    print_machine("ingestion: upload to searchable against the bare embedding engine");
    let data = tempfile::tempdir()?;
    let server = ServerProcess::start(program(), data.path(), &[]).await?;
    let person = server.set_up().await?;
    let base = person.post("/api/v1/knowledge-bases", json!({ "name": "bench" })).await?;
    let base = base["id"].as_str().context("no id")?.to_owned();
    let sockets = tempfile::tempdir()?;
    let engine = LocalEngine::start(EngineConfig::new(program(), sockets.path())).await?;
    // Both engines load their model now.
    ingest(&person, &base, document(0, 2)).await?;
    embed(&engine, &["warm up".to_owned()]).await?;
    let mut ratios = Vec::new();
    for repeat in 1..=REPEATS {
        let (id, took) = ingest(&person, &base, document(repeat, PARAGRAPHS)).await?;
        let chunks = chunks_of(&person, &id).await?;
        let count = chunks.len() as f64;
        let bare = embed(&engine, &chunks).await?;
        println!(
            "whole ingestion against the bare engine\t{:.2}\t{:.2}\tchunks/s\t>=0.9",
            count / took.as_secs_f64(),
            count / bare.as_secs_f64()
        );
        ratios.push(bare.as_secs_f64() / took.as_secs_f64());
    }
    let (median, least, greatest) = spread(ratios);
    println!("ratio {median:.2} ({least:.2}–{greatest:.2})");
    engine.shutdown().await;
    server.stop().await?;
    Ok(())
}

/// A text that no other repeat has, since the same bytes would be recognised.
fn document(repeat: usize, paragraphs: usize) -> String {
    let mut text = String::new();
    for number in 0..paragraphs {
        let _ = write!(
            text,
            "Entry {repeat}.{number}. The keeper of lighthouse {} counted {} ships before noon and \
             wrote to the harbour about the fog, the broken lamp and the price of oil. \
             第{number}号灯塔的看守人在日记里写道：今天经过了{}艘船，雾很大，灯油的价格又涨了。\n\n",
            number % 37,
            number * 7 % 101,
            number * 13 % 97,
        );
    }
    text
}

/// Uploads a text; answers the document's id and the time until it was searchable.
async fn ingest(person: &Session, base: &str, text: String) -> anyhow::Result<(String, Duration)> {
    let part = multipart::Part::bytes(text.into_bytes()).file_name("log.txt");
    let started = Instant::now();
    let answer = person
        .request(Method::POST, &format!("/api/v1/knowledge-bases/{base}/documents"))
        .multipart(multipart::Form::new().part("file", part))
        .send()
        .await?;
    let document: Value = answer.error_for_status()?.json().await?;
    let id = document["id"].as_str().context("no id")?.to_owned();
    loop {
        let found = person.get(&format!("/api/v1/documents/{id}")).await?;
        match found["status"].as_str() {
            Some("completed") => return Ok((id, started.elapsed())),
            Some("failed") => anyhow::bail!("the document failed: {found}"),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The texts that were embedded.
async fn chunks_of(person: &Session, document: &str) -> anyhow::Result<Vec<String>> {
    let (mut texts, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/documents/{document}/chunks?limit=200{after}");
        let page = person.get(&path).await?;
        let items = page["items"].as_array().context("no items")?;
        texts.extend(items.iter().filter_map(|item| item["content"].as_str().map(str::to_owned)));
        match page["next_after"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(texts),
        }
    }
}

/// The time that the engine alone needs.
async fn embed(engine: &LocalEngine, texts: &[String]) -> anyhow::Result<Duration> {
    let started = Instant::now();
    for batch in texts.chunks(BATCH) {
        let request = EmbeddingRequest {
            model: "multilingual-e5-small".to_owned(),
            input: batch.to_vec(),
            task: EmbeddingTask::Passage,
            dimensions: None,
        };
        engine.embed(request).await?;
    }
    Ok(started.elapsed())
}
