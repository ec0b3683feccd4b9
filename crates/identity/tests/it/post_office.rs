//! A mail server that keeps what it gets, spoken to over a real connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lyceum_core::Secret;
use lyceum_identity::{IdentityConfig, MailSecurity, MailSettings, Mailer};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The name and password that the server wants.
pub const NAME: &str = "lyceum";
pub const PASSWORD: &str = "smtp password 4711";

/// A letter as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// The running server.
#[derive(Clone, Default)]
pub struct PostOffice {
    mails: Arc<Mutex<VecDeque<Mail>>>,
    /// Answers to recipients before the usual ones.
    refusals: Arc<Mutex<VecDeque<&'static str>>>,
    port: u16,
}

impl PostOffice {
    pub async fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let office = Self { port: listener.local_addr().unwrap().port(), ..Self::default() };
        let serving = office.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let office = serving.clone();
                tokio::spawn(async move { office.converse(connection).await });
            }
        });
        office
    }

    /// Settings of a platform that sends its letters here.
    pub fn config(&self) -> IdentityConfig {
        self.config_with(MailSecurity::None, PASSWORD)
    }

    pub fn config_with(&self, security: MailSecurity, password: &str) -> IdentityConfig {
        let mailer = Mailer::new(MailSettings {
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            security,
            credentials: Some((NAME.to_owned(), Secret::new(password))),
            from: "Lyceum <lyceum@example.org>".to_owned(),
        });
        IdentityConfig {
            public_url: Some("https://lyceum.example.org/".parse().unwrap()),
            mailer: Some(mailer.unwrap()),
            ..IdentityConfig::default()
        }
    }

    /// Answers the next recipient so.
    pub fn refuse(&self, answer: &'static str) {
        self.refusals.lock().unwrap().push_back(answer);
    }

    /// Waits for the next letter.
    pub async fn next(&self) -> Mail {
        for _ in 0..600 {
            if let Some(mail) = self.mails.lock().unwrap().pop_front() {
                return mail;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no letter within half a minute");
    }

    /// Asserts that there is no letter that nobody looked at.
    #[track_caller]
    pub fn expect_empty(&self) {
        let mails = self.mails.lock().unwrap();
        assert!(mails.is_empty(), "{mails:?}");
    }

    async fn converse(&self, connection: TcpStream) {
        let (reading, mut writing) = connection.into_split();
        let mut lines = BufReader::new(reading).lines();
        let mut signed_in = false;
        let mut to = String::new();
        writing.write_all(b"220 post office\r\n").await.unwrap();
        while let Ok(Some(line)) = lines.next_line().await {
            let command = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer = match command.as_str() {
                "EHLO" => "250-post office\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN",
                "AUTH" => {
                    let given = line.rsplit(' ').next().unwrap();
                    signed_in = given == STANDARD.encode(format!("\0{NAME}\0{PASSWORD}"));
                    if signed_in { "235 welcome" } else { "535 wrong name or password" }
                }
                "MAIL" if signed_in => "250 go on",
                "RCPT" if signed_in => {
                    to = line.split(['<', '>']).nth(1).unwrap().to_owned();
                    self.refusals.lock().unwrap().pop_front().unwrap_or("250 known")
                }
                "DATA" if signed_in => {
                    writing.write_all(b"354 write\r\n").await.unwrap();
                    let mut raw = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        if line == "." {
                            break;
                        }
                        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
                        raw.push('\n');
                    }
                    self.mails.lock().unwrap().push_back(read(&to, &raw));
                    "250 kept"
                }
                "QUIT" => "221 bye",
                _ => "500 what?",
            };
            if writing.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn read(to: &str, raw: &str) -> Mail {
    let (head, body) = raw.split_once("\n\n").unwrap();
    let head = head.replace("\n ", " ");
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_lowercase().starts_with(name));
        line.map(|line| line.split_once(": ").unwrap().1.to_owned()).unwrap_or_default()
    };
    assert!(header("from").contains("lyceum@example.org"), "{head}");
    assert!(header("to").contains(to), "{head}");
    let text = match header("content-transfer-encoding").as_str() {
        "base64" => STANDARD.decode(body.replace('\n', "")).unwrap(),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
    Mail { to: to.to_owned(), subject: words(&header("subject")), text }
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let text = text.replace("=\n", "");
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    bytes
}

/// The words of a header, each of which may stand in base64.
fn words(header: &str) -> String {
    let mut bytes = Vec::new();
    for word in header.split(' ') {
        match word.strip_prefix("=?utf-8?b?").and_then(|word| word.strip_suffix("?=")) {
            Some(encoded) => bytes.extend(STANDARD.decode(encoded).unwrap()),
            None => {
                if !bytes.is_empty() {
                    bytes.push(b' ');
                }
                bytes.extend(word.bytes());
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

impl Mail {
    /// The token of the link in the letter, which leads to this page.
    #[track_caller]
    pub fn token(&self, page: &str) -> String {
        let start = format!("https://lyceum.example.org/{page}#token=");
        let line = self.text.lines().find(|line| line.starts_with(&start));
        line.unwrap_or_else(|| panic!("{}", self.text))[start.len()..].to_owned()
    }
}
