//! A Redis that answers, refuses, dies, hangs and comes back.

use std::time::Duration;

use lyceum_store::redis::{Script, cmd, pipe};
use lyceum_store::{Redis, RedisError, RedisSettings};
use lyceum_testkit::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Longer than anything here takes, and shorter than a test may.
pub const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(url: String) -> Result<Redis, RedisError> {
    Redis::connect(RedisSettings { url, ca_file: None, patience: PATIENCE }).await
}

pub async fn until(redis: &Redis, up: bool) {
    let waiting = async {
        while redis.is_up() != up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{:?}", redis.status());
}

#[tokio::test]
async fn it_answers_by_socket_and_by_port() {
    let server = RedisServer::start().await;
    for url in [server.url(), server.tcp_url("")] {
        let redis = connect(url).await.unwrap();
        let key = Redis::key("greeting");
        assert_eq!(key, "lyceum:greeting");
        redis.ask::<()>(cmd("SET").arg(&key).arg("hello")).await.unwrap();
        let script = Script::new("return redis.call('GET', KEYS[1]) .. ARGV[1]");
        let mut asked = script.prepare_invoke();
        asked.key(&key).arg(" you");
        assert_eq!(redis.run::<String>(&asked).await.unwrap(), "hello you");
        let mut both = pipe();
        both.cmd("GET").arg(&key).cmd("STRLEN").arg(&key);
        let (text, length): (String, u32) = redis.ask_all(&both).await.unwrap();
        assert_eq!((text.as_str(), length), ("hello", 5));
        let health = redis.status().health.unwrap();
        assert!(health.version.starts_with("redis ") || health.version.starts_with("valkey "));
    }
}

#[tokio::test]
async fn one_that_refuses_us_is_told_clearly_and_without_the_password() {
    let server = RedisServer::with_password("open sesame").await;
    assert!(connect(server.url()).await.unwrap().is_up());
    for (password, reason) in
        [("hunter2", "does not accept the user name and password"), ("", "asks for a password")]
    {
        let error = connect(server.tcp_url(password)).await.err().unwrap();
        let text = format!("{error} {error:?}");
        assert!(text.contains(reason) && text.contains("127.0.0.1"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let error = connect("http://:hunter2@localhost".to_owned()).await.err().unwrap();
    assert!(matches!(error, RedisError::Address), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let status = connect(server.url()).await.unwrap().status();
    assert!(!format!("{status:?}").contains("sesame"));
}

#[tokio::test]
async fn what_is_no_redis_is_refused() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = connect(url).await.err().unwrap();
    assert!(error.to_string().contains("does not speak Redis' protocol"), "{error}");
}

#[tokio::test]
async fn one_that_is_away_is_no_error_and_found_when_it_comes() {
    let mut server = RedisServer::start().await;
    server.kill();
    let redis = connect(server.tcp_url("")).await.unwrap();
    assert!(!redis.is_up());
    assert_eq!(redis.ask::<String>(&cmd("PING")).await, None);
    let status = redis.status();
    assert!(status.health.is_none() && status.reason.is_some(), "{status:?}");
    server.start_again().await;
    until(&redis, true).await;
    assert_eq!(redis.ask::<String>(&cmd("PING")).await.unwrap(), "PONG");
    assert_eq!(redis.status().reason, None);
}

#[tokio::test]
async fn one_that_dies_answers_nothing_until_it_is_back() {
    let mut server = RedisServer::start().await;
    let redis = server.connect().await;
    server.kill();
    assert_eq!(redis.ask::<String>(&cmd("PING")).await, None);
    assert!(!redis.is_up(), "who asks next does not wait");
    server.start_again().await;
    until(&redis, true).await;
    // Nobody has to ask for it to be noticed.
    server.kill();
    until(&redis, false).await;
}

#[tokio::test]
async fn one_that_hangs_costs_one_question_its_patience() {
    let server = RedisServer::start().await;
    let patience = Duration::from_millis(50);
    let settings = RedisSettings { url: server.url(), ca_file: None, patience };
    let redis = Redis::connect(settings).await.unwrap();
    server.hang();
    let asking = async { while redis.ask::<String>(&cmd("PING")).await.is_some() {} };
    tokio::time::timeout(PATIENCE, asking).await.expect("a question waits for ever");
    until(&redis, false).await;
    assert!(redis.status().reason.is_some());
    server.go_on();
    until(&redis, true).await;
}

#[tokio::test]
async fn a_server_that_may_not_be_written_to_counts_as_away() {
    let server = RedisServer::start().await;
    let redis = server.connect().await;
    // It follows a master that is not there.
    let follow = cmd("REPLICAOF").arg("127.0.0.1").arg("1").to_owned();
    redis.ask::<()>(&follow).await.unwrap();
    let other = connect(server.url()).await.unwrap();
    assert!(!other.is_up(), "{:?}", other.status());
    redis.ask::<()>(cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
    until(&other, true).await;
}

/// Lets the user `limited`, whose password is `secret`, do no more and no less.
async fn allow(admin: &Redis, rules: &[&str]) {
    let mut command = cmd("ACL");
    command.arg("SETUSER").arg("limited").arg("on").arg(">secret").arg("~lyceum:*");
    for rule in rules {
        command.arg(*rule);
    }
    admin.ask::<()>(&command).await.unwrap();
}

#[tokio::test]
async fn a_user_who_lacks_a_command_is_refused_at_the_start_and_told_which() {
    let server = RedisServer::start().await;
    let admin = server.connect().await;
    let url = server.tcp_url("").replace("redis://", "redis://limited:secret@");
    for (rule, named) in [
        ("-hset", "refuses HSET"),
        ("-zremrangebyscore", "refuses ZREMRANGEBYSCORE"),
        ("-evalsha", "refuses EVALSHA"),
        ("-ping", "refuses PING"),
    ] {
        allow(&admin, &["+@all", rule]).await;
        let error = connect(url.clone()).await.err().unwrap().to_string();
        assert!(error.contains(named) && error.contains("lyceum:"), "{rule}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    allow(&admin, &["+@all"]).await;
    assert!(connect(url).await.unwrap().is_up());
    // What it was tried with does not stay.
    let left: Vec<String> = admin.ask(cmd("KEYS").arg("lyceum:probe:*")).await.unwrap();
    assert_eq!(left, [] as [String; 0]);
}

#[tokio::test]
async fn a_question_that_is_refused_is_in_nobody_elses_way() {
    let server = RedisServer::start().await;
    let admin = server.connect().await;
    allow(&admin, &["+@all"]).await;
    let url = server.tcp_url("").replace("redis://", "redis://limited:secret@");
    let redis = connect(url).await.unwrap();
    let key = Redis::key("hash");
    redis.ask::<()>(cmd("HSET").arg(&key).arg("field").arg("1")).await.unwrap();
    let get = cmd("GET").arg(&key).to_owned();
    assert_eq!(redis.status().refused, None);
    let (mut several, script) = (pipe(), Script::new("return redis.call('GET', KEYS[1])"));
    several.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
    // It holds something else, then the user may not ask at all.
    for rule in ["+get", "-get"] {
        allow(&admin, &[rule]).await;
        for _ in 0..3 {
            assert_eq!(redis.ask::<Option<String>>(&get).await, None, "{rule}");
            assert_eq!(redis.ask_all::<(Option<String>, i64)>(&several).await, None, "{rule}");
            assert_eq!(redis.run::<Option<String>>(&script.key(&key)).await, None, "{rule}");
            assert_eq!(redis.ask::<String>(&cmd("NOSUCHTHING")).await, None, "{rule}");
        }
        let status = redis.status();
        assert!(status.health.is_some() && status.reason.is_none(), "{status:?}");
        let refused = status.refused.unwrap();
        assert!(!refused.reason.is_empty() && refused.seconds_ago < 3600, "{refused:?}");
        let field: String = redis.ask(cmd("HGET").arg(&key).arg("field")).await.unwrap();
        assert_eq!(field, "1");
    }
}

#[tokio::test]
async fn a_right_that_was_taken_back_keeps_no_connection_from_coming_about_again() {
    let server = RedisServer::start().await;
    let admin = server.connect().await;
    allow(&admin, &["+@all"]).await;
    let url = server.tcp_url("").replace("redis://", "redis://limited:secret@");
    let redis = connect(url).await.unwrap();
    allow(&admin, &["-hset"]).await;
    let kill = cmd("CLIENT").arg("KILL").arg("USER").arg("limited").to_owned();
    assert_eq!(admin.ask::<u32>(&kill).await, Some(1));
    let asking = async { while redis.ask::<String>(&cmd("PING")).await.is_some() {} };
    tokio::time::timeout(PATIENCE, asking).await.expect("the connection lives");
    until(&redis, true).await;
    redis.ask::<()>(cmd("SET").arg(Redis::key("text")).arg("1")).await.unwrap();
    let write = cmd("HSET").arg(Redis::key("hash")).arg("field").arg("1").to_owned();
    assert_eq!(redis.ask::<u32>(&write).await, None);
    let status = redis.status();
    assert!(status.health.is_some() && status.reason.is_none(), "{status:?}");
    let words = status.refused.unwrap().reason;
    assert!(words.contains("hset") || words.contains("HSET"), "{words}");
    assert!(!words.contains("secret"), "{words}");
    // Where it is given back, a new connection finds nothing refused.
    allow(&admin, &["+hset"]).await;
    assert_eq!(admin.ask::<u32>(&kill).await, Some(1));
    let asking = async {
        while redis.status().refused.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the refusal stays");
}
