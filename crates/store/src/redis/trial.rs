//! Whether a server lets this program do everything that it does with it: a user who lacks a command
//! is found out when the connection comes about, not by the first call that needs it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{RedisResult, Script, Value, cmd, pipe};

use super::error::Failure;
use super::{PREFIX, Redis};

/// Every command that is used anywhere, also by scripts: the kind of key that it is tried on, and its
/// arguments. What they write is gone behind them, or soon.
const COMMANDS: [(&str, Option<&str>, &[&str]); 18] = [
    ("TIME", None, &[]),
    ("SET", Some("text"), &["1", "PX", "5000"]),
    ("GET", Some("text"), &[]),
    ("PTTL", Some("text"), &[]),
    ("INCRBY", Some("text"), &["1"]),
    ("EXPIREAT", Some("text"), &["1"]),
    ("HSET", Some("hash"), &["field", "1"]),
    ("EXPIRE", Some("hash"), &["5"]),
    ("HGET", Some("hash"), &["field"]),
    ("HMGET", Some("hash"), &["field"]),
    ("HGETALL", Some("hash"), &[]),
    ("HVALS", Some("hash"), &[]),
    ("HDEL", Some("hash"), &["field"]),
    ("ZADD", Some("sorted"), &["1", "member"]),
    ("EXPIRE", Some("sorted"), &["5"]),
    ("ZCARD", Some("sorted"), &[]),
    ("ZCOUNT", Some("sorted"), &["-inf", "+inf"]),
    ("ZREMRANGEBYSCORE", Some("sorted"), &["-inf", "+inf"]),
];

/// Whether scripts run and may write, with the server's clock.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    Script::new("return redis.call('SET', KEYS[1], redis.call('TIME')[1], 'PX', 5000)")
});

/// Tries it all; says how long the last round trip took.
pub(super) async fn run(connection: &mut MultiplexedConnection) -> Result<Duration, Failure> {
    // Alone, as it may be no Redis that answers.
    let pong: RedisResult<Value> = cmd("PING").query_async(connection).await;
    pong.map_err(|error| named("PING", error.into()))?;
    let mut all = pipe();
    all.ignore_errors();
    for (command, kind, arguments) in COMMANDS {
        all.cmd(command);
        if let Some(kind) = kind {
            all.arg(Redis::key(format_args!("probe:{kind}")));
        }
        for argument in arguments {
            all.arg(*argument);
        }
    }
    let answers: Vec<RedisResult<Value>> = all.query_async(connection).await?;
    for ((command, ..), answer) in COMMANDS.iter().zip(answers) {
        answer.map_err(|error| named(command, error.into()))?;
    }
    let asked = Instant::now();
    let ran = SCRIPT.key(Redis::key("probe")).invoke_async::<()>(connection).await;
    ran.map_err(|error| named("EVALSHA or SCRIPT LOAD", error.into()))?;
    Ok(asked.elapsed())
}

fn named(command: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Denied(words) => Failure::Denied(format!(
            "it refuses {command}, which is needed on keys that begin with {PREFIX} ({words})"
        )),
        other => other,
    }
}
