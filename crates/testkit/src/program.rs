//! The real program as a child process, with a data folder of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::header::{AUTHORIZATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The password of every account that the tests make.
pub const PASSWORD: &str = "correct horse battery";

/// A running `lyceum serve`.
pub struct ServerProcess {
    /// `http://127.0.0.1:PORT`.
    pub base_url: String,
    /// The one-time set-up token, where no account exists yet.
    pub setup_token: Option<String>,
    child: Child,
}

impl ServerProcess {
    /// Starts `program` on `data_dir` with further environment settings and waits until it is
    /// ready.
    pub async fn start(
        program: &Path,
        data_dir: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env_remove("DATABASE_URL")
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("the program does not start")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                let Some(start) = line.find("http://") else { continue };
                let url = line[start..].split_whitespace().next().unwrap_or_default();
                return anyhow::Ok(url.to_owned());
            }
            bail!("the program ended before it was ready")
        };
        let url = tokio::time::timeout(Duration::from_secs(60), ready)
            .await
            .context("the program was not ready within a minute")??;
        // Keep reading, so that the program never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (base_url, setup_token) = match url.split_once("/setup?token=") {
            Some((base, token)) => (base.to_owned(), Some(token.to_owned())),
            None => (url.trim_end_matches('/').to_owned(), None),
        };
        Ok(Self { base_url, setup_token, child })
    }

    /// The process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the program as `kill -9` does, and waits until it is gone.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot be killed")
    }

    /// Asks the program to end, and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<std::process::ExitStatus> {
        let pid = self.child.id().context("it has ended already")?;
        let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await?;
        anyhow::ensure!(status.success(), "cannot be asked to end");
        tokio::time::timeout(Duration::from_secs(30), self.child.wait())
            .await
            .context("did not end within 30 s")?
            .context("cannot be waited for")
    }

    /// Makes the administrator's account with the set-up token, and acts as it.
    pub async fn set_up(&self) -> anyhow::Result<Session> {
        let token = self.setup_token.as_deref().context("the program is set up already")?;
        let body = json!({
            "token": token, "username": "admin", "email": "admin@example.org",
            "password": PASSWORD,
        });
        Session::from_answer(&self.base_url, "/api/v1/setup", body).await
    }

    /// Signs in with [`PASSWORD`].
    pub async fn sign_in(&self, login: &str) -> anyhow::Result<Session> {
        let body = json!({ "login": login, "password": PASSWORD });
        Session::from_answer(&self.base_url, "/api/v1/auth/sign-in", body).await
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Session {
    client: Client,
    base_url: String,
    bearer: String,
}

impl Session {
    async fn from_answer(base_url: &str, path: &str, body: Value) -> anyhow::Result<Self> {
        let client = http_client()?;
        let answer = client
            .post(format!("{base_url}{path}"))
            .header("X-Lyceum-Client", "web")
            .json(&body)
            .send()
            .await?;
        let status = answer.status();
        let cookies = answer.headers().get_all(SET_COOKIE).iter();
        let access = cookies.filter_map(|cookie| cookie.to_str().ok()).find_map(|cookie| {
            cookie.strip_prefix("lyceum_access=")?.split(';').next().map(str::to_owned)
        });
        let Some(access) = access else {
            bail!("{path} answered {status}: {}", answer.text().await?);
        };
        Ok(Self { client, base_url: base_url.to_owned(), bearer: format!("Bearer {access}") })
    }

    /// A session that uses an API key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { bearer: format!("Bearer {key}"), ..self.clone() }
    }

    /// The same person at another program on the same database.
    pub fn at(&self, server: &ServerProcess) -> Self {
        Self { base_url: server.base_url.clone(), ..self.clone() }
    }

    /// A request to `path` (with its `/api/v1` or `/v1`).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base_url))
            .header(AUTHORIZATION, &self.bearer)
    }

    /// Sends JSON and reads JSON; any answer but a success is an error with its text.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let answer = self.request(method, path).json(&body).send().await?;
        read(path, answer).await
    }

    /// Reads JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        read(path, self.request(Method::GET, path).send().await?).await
    }

    /// Sends JSON by POST.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.send(Method::POST, path, body).await
    }
}

async fn read(path: &str, answer: reqwest::Response) -> anyhow::Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    anyhow::ensure!(status.is_success(), "{path} answered {status}: {text}");
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON: {text}"))
}

/// A client for the tests' own requests to this machine.
#[expect(clippy::disallowed_methods, reason = "tests talk to loopback, which Outgoing refuses")]
pub fn http_client() -> anyhow::Result<Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().tcp_nodelay(true).build()?)
}
