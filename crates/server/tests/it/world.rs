//! A running program with two people, a provider and things that belong to the first of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lyceum_store::cluster::Cluster;
use lyceum_testkit::{MockUpstream, PASSWORD, ServerProcess, Session};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, PgConnection};

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lyceum"))
}

/// Opens 127.0.0.1 for the mock upstream.
pub const SETTINGS: [(&str, &str); 1] =
    [("LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS", "[\"127.0.0.1\"]")];

/// The running program and who is there.
pub struct World {
    pub server: ServerProcess,
    pub upstream: MockUpstream,
    pub admin: Session,
    pub alice: Session,
    pub bob: Session,
    pub data: tempfile::TempDir,
}

impl World {
    /// A program on an empty folder, with an administrator, Alice and Bob.
    pub async fn new() -> anyhow::Result<Self> {
        Self::with(program(), &[]).await
    }

    /// The same of `program`, with further settings.
    pub async fn with(program: &Path, further: &[(&str, &str)]) -> anyhow::Result<Self> {
        let upstream = MockUpstream::start().await;
        let data = tempfile::tempdir()?;
        let settings = [&SETTINGS[..], further].concat();
        let server = ServerProcess::start(program, data.path(), &settings).await?;
        let admin = server.set_up().await?;
        for name in ["alice", "bob"] {
            let person = json!({ "username": name, "email": format!("{name}@example.org"),
                                 "password": PASSWORD });
            admin.post("/api/v1/users", person).await?;
        }
        let alice = server.sign_in("alice").await?;
        let bob = server.sign_in("bob").await?;
        Ok(Self { server, upstream, admin, alice, bob, data })
    }

    /// Kills the program as `kill -9` does and starts it again on the same folder.
    pub async fn crash_and_restart(self) -> anyhow::Result<Self> {
        let Self { server, upstream, data, .. } = self;
        server.kill().await?;
        let server = ServerProcess::start(program(), data.path(), &SETTINGS).await?;
        let admin = server.sign_in("admin").await?;
        let alice = server.sign_in("alice").await?;
        let bob = server.sign_in("bob").await?;
        Ok(Self { server, upstream, admin, alice, bob, data })
    }

    /// The same, and its PostgreSQL is killed with it.
    pub async fn crash_with_database_and_restart(self) -> anyhow::Result<Self> {
        let file = self.data.path().join("postgres/data/postmaster.pid");
        let database = std::fs::read_to_string(file)?;
        let database: i32 = database.lines().next().context("no process")?.trim().parse()?;
        let program = self.server.pid().context("it has ended already")?.cast_signed();
        kill(Pid::from_raw(program), Signal::SIGKILL)?;
        // It stops by itself, too, once the program is gone.
        let _gone_already = kill(Pid::from_raw(database), Signal::SIGKILL);
        self.crash_and_restart().await
    }

    /// The program's database, as its owner.
    pub async fn database(&self) -> anyhow::Result<PgConnection> {
        let owner = Cluster::owner_options_of_running(self.data.path())?;
        Ok(owner.context("no database runs")?.connect().await?)
    }

    /// A model of the mock upstream for one person; answers the model config's id.
    pub async fn model(&self, person: &Session, upstream_model: &str) -> anyhow::Result<Ids> {
        let provider = person
            .post(
                "/api/v1/providers",
                json!({ "provider": "custom", "name": format!("mock {upstream_model}"),
                        "scope": "personal", "base_url": self.upstream.base_url,
                        "api_key": "sk-upstream-key-1234" }),
            )
            .await?;
        let model = person
            .post(
                "/api/v1/models",
                json!({ "provider_config_id": provider["id"], "name": upstream_model,
                        "model": upstream_model, "kind": "chat" }),
            )
            .await?;
        Ok(Ids { provider: id(&provider)?, model: id(&model)? })
    }
}

/// What [`World::model`] made.
pub struct Ids {
    pub provider: String,
    pub model: String,
}

/// The number that a query answers.
pub async fn number(database: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

/// The `id` of an answer.
pub fn id(answer: &Value) -> anyhow::Result<String> {
    let id = answer["id"].as_str().with_context(|| format!("no id in {answer}"))?;
    Ok(id.to_owned())
}

/// Makes a knowledge base with the default embedding model.
pub async fn knowledge_base(person: &Session, name: &str) -> anyhow::Result<String> {
    id(&person.post("/api/v1/knowledge-bases", json!({ "name": name })).await?)
}

/// Uploads a file and answers the document.
pub async fn upload(
    person: &Session,
    base: &str,
    name: &str,
    bytes: Vec<u8>,
) -> anyhow::Result<(reqwest::StatusCode, Value)> {
    let part = multipart::Part::bytes(bytes).file_name(name.to_owned());
    let answer = person
        .request(Method::POST, &format!("/api/v1/knowledge-bases/{base}/documents"))
        .multipart(multipart::Form::new().part("file", part))
        .send()
        .await?;
    let status = answer.status();
    Ok((status, answer.json().await?))
}

/// Waits until a document is completed or failed, and answers it.
pub async fn processed(person: &Session, document: &str) -> anyhow::Result<Value> {
    for _ in 0..1200 {
        let found = person.get(&format!("/api/v1/documents/{document}")).await?;
        if matches!(found["status"].as_str(), Some("completed" | "failed")) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the document was not processed within two minutes")
}

/// Asks in a conversation and waits for the end of the answer.
pub async fn ask(person: &Session, conversation: &str, body: Value) -> anyhow::Result<Value> {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let sent = person.post(&path, body).await?;
    finished(person, &id(&sent["assistant_message"])?).await
}

/// Follows an answer's events to its end and answers the finished message.
pub async fn finished(person: &Session, message: &str) -> anyhow::Result<Value> {
    let path = format!("/api/v1/messages/{message}/events");
    let answer = person.request(Method::GET, &path).send().await?;
    let text = tokio::time::timeout(Duration::from_secs(300), answer.text()).await??;
    let data = text.split("\n\n").find_map(|event| {
        let is_done = event.lines().any(|line| line.trim_end() == "event: done");
        let data = event.lines().find_map(|line| line.strip_prefix("data:"));
        data.filter(|_| is_done)
    });
    let done: Value = serde_json::from_str(data.with_context(|| format!("no end in {text}"))?)?;
    Ok(done["message"].clone())
}

/// A one-page PDF that says the given ASCII line.
pub fn pdf(line: &str) -> Vec<u8> {
    let content = format!("BT /F1 12 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
    }
    let start = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for offset in offsets {
        file.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    let trailer = format!("trailer\n<< /Size {} /Root 1 0 R >>\n", objects.len() + 1);
    file.extend(format!("{trailer}startxref\n{start}\n%%EOF\n").bytes());
    file
}

/// The models that the program runs beside itself.
pub fn models_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    set("LYCEUM_MODELS").unwrap_or_else(|| {
        let cache = set("LYCEUM_CACHE").unwrap_or_else(|| {
            let home = set("HOME").unwrap_or_default();
            set("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("lyceum")
        });
        cache.join("models")
    })
}
