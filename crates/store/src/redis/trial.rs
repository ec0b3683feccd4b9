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

/// How a trial of a server that answers ended.
pub(super) struct Tried {
    /// How long the last round trip took.
    pub(super) latency: Duration,
    /// What the user may not do, the first of it.
    pub(super) denied: Option<String>,
}

/// Tries it all.
pub(super) async fn run(connection: &mut MultiplexedConnection) -> Result<Tried, Failure> {
    // Alone, as it may be no Redis that answers. Without it nobody can see whether it still does.
    let pong: RedisResult<Value> = cmd("PING").query_async(connection).await;
    if let Some(reason) = refusal("PING", pong)? {
        return Err(Failure::Denied(reason));
    }
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
    let mut denied = None;
    for ((command, ..), answer) in COMMANDS.iter().zip(answers) {
        denied = denied.or(refusal(command, answer)?);
    }
    let asked = Instant::now();
    let ran = SCRIPT.key(Redis::key("probe")).invoke_async::<()>(connection).await;
    let latency = asked.elapsed();
    Ok(Tried { latency, denied: denied.or(refusal("EVALSHA or SCRIPT LOAD", ran)?) })
}

/// Why the command was refused, where nothing else went wrong.
fn refusal<T>(command: &str, answer: RedisResult<T>) -> Result<Option<String>, Failure> {
    match answer.map_err(Failure::from) {
        Ok(_) => Ok(None),
        Err(Failure::Denied(words)) => Ok(Some(format!(
            "it refuses {command}, which is needed on keys that begin with {PREFIX} ({words})"
        ))),
        Err(other) => Err(other),
    }
}
