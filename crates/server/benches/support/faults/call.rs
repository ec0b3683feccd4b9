//! One call, and what its caller got.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::Target;
use super::cases::{Case, question};
use super::events::Events;

/// The longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a caller got.
#[derive(Debug)]
pub struct Answer {
    pub number: usize,
    /// The request's id, where a head came.
    pub request: Option<String>,
    pub seen: Seen,
}

#[derive(Debug)]
pub enum Seen {
    /// The whole answer, and the counts in it.
    Whole { usage: Option<(u64, u64)> },
    /// An error with this code after so many words.
    Failed { code: String, words: u64 },
    /// The connection broke, or there was none.
    Lost,
    /// What must not be.
    Odd(String),
}

/// Makes the call of this number.
pub async fn call(target: &Target, number: usize) -> Answer {
    let case = Case::of(number);
    let question = question(number);
    let mut request = None;
    let asking = async {
        let response = target.ask(case.model, &question, case.streamed).send().await?;
        let header = response.headers().get("x-request-id");
        request = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let expected = format!("You said: {question}");
        match case.streamed && response.status().is_success() {
            true => streamed(response, &expected).await,
            false => whole(response, &expected).await,
        }
    };
    let seen = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) if error.is::<reqwest::Error>() => Seen::Lost,
        Ok(Err(error)) => Seen::Odd(format!("{error:#}")),
        Err(_) => Seen::Odd("it was not answered".to_owned()),
    };
    Answer { number, request, seen }
}

async fn whole(response: Response, expected: &str) -> anyhow::Result<Seen> {
    let status = response.status();
    let text = response.text().await?;
    let document: Value = serde_json::from_str(&text)?;
    if !status.is_success() {
        return Ok(failed(&document, 0));
    }
    let content = &document["choices"][0]["message"]["content"];
    anyhow::ensure!(content == expected, "another answer: {text}");
    Ok(Seen::Whole { usage: usage(&document) })
}

async fn streamed(response: Response, expected: &str) -> anyhow::Result<Seen> {
    let mut events = Events::new(response);
    let (mut text, mut words, mut counts, mut error) = (String::new(), 0, None, None);
    while let Some(data) = events.next().await? {
        anyhow::ensure!(error.is_none(), "{data} comes after an error");
        if data == "[DONE]" {
            // The bad byte of the model `invalid-utf8` has become U+FFFD.
            let text = text.replace('\u{fffd}', "");
            anyhow::ensure!(text == expected, "another answer: {text}");
            anyhow::ensure!(events.next().await?.is_none(), "something comes after the end");
            return Ok(Seen::Whole { usage: counts });
        }
        let event: Value = serde_json::from_str(&data)?;
        if event.get("error").is_some() {
            error = Some(failed(&event, words));
        }
        let word = event["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        words += u64::from(!word.is_empty());
        text.push_str(word);
        counts = usage(&event).or(counts);
    }
    error.ok_or_else(|| anyhow::anyhow!("the stream ended without an end after: {text}"))
}

fn failed(document: &Value, words: u64) -> Seen {
    match document["error"]["code"].as_str() {
        Some(code) => Seen::Failed { code: code.to_owned(), words },
        None => Seen::Odd(format!("an error without a code: {document}")),
    }
}

fn usage(document: &Value) -> Option<(u64, u64)> {
    let of = |name: &str| document["usage"][name].as_u64();
    of("prompt_tokens").zip(of("completion_tokens"))
}
