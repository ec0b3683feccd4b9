//! The first page of 50 of every list that grows with an organisation, among 10,000 people, 100,000
//! grants and 10,000 conversations of whoever asks: as the web app asks for it, one request after
//! the other. Lists that have no pages are answered whole.
//!
//! `cargo xtask bench lists`; `-- --full` for more repeats, `-- --rounds N` for other than 200
//! requests of each.

#![expect(clippy::print_stdout, reason = "the report of a benchmark")]

#[path = "support/crowd.rs"]
mod crowd;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/options.rs"]
mod options;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lyceum_testkit::measure::percentile;
use lyceum_testkit::{PASSWORD, ServerProcess, Session, TestDb};
use options::Options;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use uuid::Uuid;

/// What an administrator looks at.
const OF_ADMINISTRATORS: [(&str, &str); 9] = [
    ("users", "users?limit=50"),
    ("users, searched", "users?limit=50&q=p77"),
    ("groups", "groups?limit=50"),
    ("roles", "roles"),
    ("models, all of the organisation's", "models"),
    ("distributions of a provider", "providers/01980000-0005-7000-8000-000000000064/distributions"),
    ("quotas", "quotas?limit=50"),
    ("audit log", "audit-logs?limit=50"),
    ("usage rows, everybody's", "usage/calls?limit=50"),
];

/// What everybody looks at.
const OF_EVERYBODY: [(&str, &str); 8] = [
    ("knowledge bases", "knowledge-bases?limit=50"),
    ("providers, those available", "providers/available"),
    ("providers", "providers"),
    ("models, those available", "models"),
    ("conversations", "conversations?limit=50"),
    ("API keys", "api-keys?limit=50"),
    ("sessions", "me/sessions"),
    ("usage rows, one's own", "usage/calls?limit=50"),
];

/// Requests before those that count.
const WARM_UP: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options::of_program();
    let rounds: usize = options.number("--rounds")?.unwrap_or(200);
    let repeats = if options.has("--full") { 9 } else { 5 };
    options.rest(0)?;
    machine::print_machine("lists: first pages of 50 in an organisation of 10,000 people");
    let test = TestDb::new().await;
    let url = test.owner.to_url_lossy().to_string();
    let data = tempfile::tempdir()?;
    let settings = [("DATABASE_URL", url.as_str())];
    let server = ServerProcess::start(machine::program(), data.path(), &settings).await?;
    let admin = server.set_up().await?;
    let person = json!({ "username": "ann", "email": "ann@example.org", "password": PASSWORD });
    let person = admin.post("/api/v1/users", person).await?;
    let began = Instant::now();
    let id: Uuid = person["id"].as_str().context("no id")?.parse()?;
    let grants = crowd::fill(&test, id).await?;
    ensure!(grants >= 100_000, "only {grants} grants");
    println!("{} people and {grants} grants in {:?}", crowd::PEOPLE, began.elapsed());
    for _ in 0..repeats {
        // Anew, since sessions are short.
        let (admin, person) = (server.sign_in("admin").await?, server.sign_in("ann").await?);
        for (session, lists) in [(&admin, &OF_ADMINISTRATORS[..]), (&person, &OF_EVERYBODY[..])] {
            for (name, path) in lists {
                let times = ask(session, path, rounds).await.context(*name)?;
                let at = |share| percentile(&times, share).as_secs_f64() * 1e3;
                println!("{name}, p50\t{:.3}\t-\tms\t-", at(0.50));
                println!("{name}, p99\t{:.3}\t-\tms\t<=20", at(0.99));
            }
        }
    }
    server.stop().await?;
    Ok(())
}

/// How long each of the requests took, sorted.
async fn ask(session: &Session, path: &str, rounds: usize) -> anyhow::Result<Vec<Duration>> {
    let path = format!("/api/v1/{path}");
    let mut times = Vec::with_capacity(rounds);
    for round in 0..rounds + WARM_UP {
        let began = Instant::now();
        let answer = session.request(Method::GET, &path).send().await?.error_for_status()?;
        let body = answer.bytes().await?;
        let taken = began.elapsed();
        if round >= WARM_UP {
            times.push(taken);
            continue;
        }
        let page: Value = serde_json::from_slice(&body)?;
        let items = page["items"].as_array().context("no list")?.len();
        ensure!(items >= 50, "only {items} items");
    }
    times.sort();
    Ok(times)
}
