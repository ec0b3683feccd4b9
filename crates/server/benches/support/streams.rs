//! Many streams at once, each read to its end and compared word by word.

use std::time::{Duration, Instant};

use lyceum_testkit::Session;
use serde_json::Value;
use tokio::task::JoinSet;

use super::events::Events;
use super::ledger;
use super::target::Target;

/// How many streams, and what each of them is.
#[derive(Clone)]
pub struct Load {
    pub target: Target,
    pub model: String,
    pub streams: usize,
    /// Words of a question; the answer has two more.
    pub words: usize,
    /// Between the beginnings of two streams.
    pub apart: Duration,
    /// Words after which the reader goes away, instead of reading to the end.
    pub leave_after: Option<usize>,
}

/// What the readers saw.
#[derive(Default)]
pub struct Seen {
    /// From asking to the first word, sorted.
    pub first: Vec<Duration>,
    /// The largest time between two words of one stream.
    pub largest_gap: Duration,
}

/// Opens all streams one after the other and reads them side by side. An answer that is not the
/// very words in their order is an error.
pub async fn run(load: &Load) -> anyhow::Result<Seen> {
    let mut readers = JoinSet::new();
    let mut opening = tokio::time::interval(load.apart.max(Duration::from_micros(1)));
    for number in 0..load.streams {
        opening.tick().await;
        let load = load.clone();
        readers.spawn(async move { read(&load, number).await });
    }
    let mut seen = Seen::default();
    while let Some(reader) = readers.join_next().await {
        let (first, largest_gap) = reader??;
        seen.first.push(first);
        seen.largest_gap = seen.largest_gap.max(largest_gap);
    }
    seen.first.sort();
    Ok(seen)
}

/// Reads the stream of this number; answers the time to its first word and its largest gap.
async fn read(load: &Load, number: usize) -> anyhow::Result<(Duration, Duration)> {
    let question: Vec<_> = (0..load.words).map(|word| format!("s{number}w{word}")).collect();
    let answer = format!("You said: {}", question.join(" "));
    let mut expected = answer.split_inclusive(' ').take(load.leave_after.unwrap_or(usize::MAX));
    let asked = Instant::now();
    let response = load.target.ask(&load.model, &question.join(" "), true).send().await?;
    anyhow::ensure!(response.status().is_success(), "{}", response.text().await?);
    let mut events = Events::new(response);
    let (mut first, mut last, mut largest) = (None, asked, Duration::ZERO);
    while let Some(data) = events.next().await? {
        if data == "[DONE]" {
            anyhow::ensure!(expected.next().is_none(), "stream {number} lacks its end");
            return Ok((first.unwrap_or_default(), largest));
        }
        let event: Value = serde_json::from_str(&data)?;
        let Some(word) = event["choices"][0]["delta"]["content"].as_str() else { continue };
        if word.is_empty() {
            continue;
        }
        let now = Instant::now();
        match first {
            None => first = Some(now - asked),
            Some(_) => largest = largest.max(now - last),
        }
        last = now;
        anyhow::ensure!(expected.next() == Some(word), "stream {number}: {word:?} is out of order");
        if load.leave_after.is_some() && expected.clone().next().is_none() {
            return Ok((first.unwrap_or_default(), largest));
        }
    }
    anyhow::bail!("stream {number} ended without an end")
}

/// The cancelled calls of the ledger, as soon as there are `count`, which nobody is told.
pub async fn cancelled(admin: &Session, count: usize) -> anyhow::Result<Vec<Value>> {
    for _ in 0..200 {
        let rows = ledger::calls(admin, "&status=cancelled").await?;
        if rows.len() >= count {
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("there are fewer than {count} cancelled calls after ten seconds")
}
