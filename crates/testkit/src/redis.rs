//! A Redis of a test's own.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lyceum_store::{Redis, RedisSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Issued;

/// Programs that can be a server. Debian's and Ubuntu's `redis-tools` hold the last one: the server
/// under another name, without the service that `redis-server` starts.
const PROGRAMS: [&str; 3] = ["redis-server", "valkey-server", "redis-check-rdb"];

/// How long it may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A `redis-server` on a Unix socket and a port of loopback, in a folder of its own, that keeps
/// nothing. Killed when it is dropped.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    password: Option<&'static str>,
    /// The file of who issued its certificate, where its port speaks TLS.
    authority: Option<PathBuf>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    /// Where there is none to be had; the message says why.
    pub async fn start() -> Self {
        Self::start_with(None, None).await
    }

    /// One that asks for this password.
    ///
    /// # Panics
    /// The same.
    pub async fn with_password(password: &'static str) -> Self {
        Self::start_with(Some(password), None).await
    }

    /// One that asks for this password and whose port speaks only TLS, with this certificate; it
    /// takes clients without one.
    ///
    /// # Panics
    /// The same.
    pub async fn with_tls(issued: &Issued, password: &'static str) -> Self {
        Self::start_with(Some(password), Some(issued)).await
    }

    async fn start_with(password: Option<&'static str>, issued: Option<&Issued>) -> Self {
        let made = async {
            let folder = TempDir::with_prefix("lyceum-redis-")?;
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let mut server = Self { folder, port, password, authority: None, child: None };
            if let Some(issued) = issued {
                server.take(issued)?;
            }
            server.begin().await?;
            anyhow::Ok(server)
        };
        match made.await {
            Ok(server) => server,
            Err(error) => panic!("no Redis for the test: {error:#}"),
        }
    }

    /// Starts it again after [`RedisServer::kill`], empty, at the same places.
    ///
    /// # Panics
    /// Where it does not start; the message says why.
    pub async fn start_again(&mut self) {
        if let Err(error) = self.begin().await {
            panic!("the Redis of the test does not start again: {error:#}");
        }
    }

    /// Lets it have another certificate from its next start on.
    ///
    /// # Panics
    /// Where that cannot be written; the message says why.
    pub fn show(&mut self, issued: &Issued) {
        if let Err(error) = self.take(issued) {
            panic!("the Redis of the test cannot have the certificate: {error}");
        }
    }

    fn take(&mut self, issued: &Issued) -> std::io::Result<()> {
        std::fs::write(self.folder.path().join("certificate.pem"), &issued.certificate)?;
        std::fs::write(self.folder.path().join("key.pem"), &issued.key)?;
        self.authority = Some(issued.authority.clone());
        Ok(())
    }

    async fn begin(&mut self) -> anyhow::Result<()> {
        let socket = self.socket();
        // One that was killed leaves it behind.
        let _absent_at_first = std::fs::remove_file(&socket);
        let port = self.port.to_string();
        let mut command = Command::new(program()?);
        command
            .arg0("redis-server")
            .args(["--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--logfile", "log", "--unixsocketperm", "700", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(self.folder.path());
        match self.authority {
            None => command.args(["--port", &port]),
            Some(_) => command
                .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"])
                .args(["--tls-cert-file", "certificate.pem", "--tls-key-file", "key.pem"]),
        };
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().context("it does not start")?);
        tokio::time::timeout(PATIENCE, self.answers()).await.context("it does not answer")?
    }

    /// Waits until it does.
    async fn answers(&mut self) -> anyhow::Result<()> {
        let child = self.child.as_mut().context("it was not started")?;
        loop {
            if tokio::net::UnixStream::connect(self.folder.path().join("socket")).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                bail!("it ended with {status}: {}", log.unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Its address by the socket, with the password.
    pub fn url(&self) -> String {
        let password = self.password.map(|password| format!("?pass={password}"));
        format!("unix://{}{}", self.socket().display(), password.unwrap_or_default())
    }

    /// Its address by the port, with `password`.
    pub fn tcp_url(&self, password: &str) -> String {
        match password {
            "" => format!("redis://127.0.0.1:{}", self.port),
            password => format!("redis://:{password}@127.0.0.1:{}", self.port),
        }
    }

    /// Its address by the port over TLS, with the password, where this machine goes by the name `host`.
    pub fn tls_url(&self, host: &str) -> String {
        let password = self.password.map(|password| format!(":{password}@"));
        format!("rediss://{}{host}:{}", password.unwrap_or_default(), self.port)
    }

    /// A connection to it that has patience, as the machine of a test may be busy; over TLS where it
    /// speaks that, so its certificate has to be for 127.0.0.1.
    ///
    /// # Panics
    /// Where it refuses.
    pub async fn connect(&self) -> Redis {
        let url = match self.authority {
            None => self.url(),
            Some(_) => self.tls_url("127.0.0.1"),
        };
        let ca_file = self.authority.clone();
        let settings = RedisSettings { url, ca_file, patience: PATIENCE };
        match Redis::connect(settings).await {
            Ok(redis) => redis,
            Err(error) => panic!("the Redis of the test: {error}"),
        }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone_already = child.kill();
            let _gone_already = child.wait();
        }
    }

    /// Lets it hold its connections and answer nobody.
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Ends [`RedisServer::hang`].
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        if let Some(pid) = pid {
            let _gone_already = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    PROGRAMS
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
        .context("install redis-tools or redis-server; script/bootstrap --test does")
}
