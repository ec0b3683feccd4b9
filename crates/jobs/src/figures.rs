use chrono::{DateTime, Utc};
use lyceum_store::StoreError;
use serde::Serialize;
use sqlx::PgConnection;

/// How many jobs stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct JobFigures {
    /// Due now or later, retries included.
    pub waiting: i64,
    /// Held by a worker.
    pub running: i64,
    /// Given up.
    pub failed: i64,
}

/// Counts the jobs. Takes a transaction in the maintenance role.
pub async fn figures(connection: &mut PgConnection) -> Result<JobFigures, StoreError> {
    let figures = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
                count(*) FILTER (WHERE state = 'running') AS running,
                count(*) FILTER (WHERE state = 'failed') AS failed
         FROM app.list_jobs()",
    )
    .fetch_one(connection)
    .await?;
    Ok(figures)
}

/// A job that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct FailedJob {
    /// Its number.
    pub id: i64,
    /// Its kind.
    pub name: String,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why the last attempt failed.
    #[sqlx(rename = "last_error")]
    pub reason: String,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was given up.
    pub updated_at: DateTime<Utc>,
}

/// The jobs given up, latest first. Takes a transaction in the maintenance role.
pub async fn failed(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<FailedJob>, StoreError> {
    let mut jobs: Vec<FailedJob> = sqlx::query_as(
        "SELECT id, name, key, attempts, coalesce(last_error, '') AS last_error, created_at,
                updated_at
         FROM app.list_jobs() WHERE state = 'failed' ORDER BY updated_at DESC, id DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    for job in &mut jobs {
        job.reason = plain_reason(&job.reason);
    }
    Ok(jobs)
}

/// Gives a failed job `attempts` more. False where there is no such failed job. Takes a
/// transaction in the maintenance role.
pub async fn retry_failed(
    connection: &mut PgConnection,
    id: i64,
    attempts: i32,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar("SELECT app.retry_failed_job($1, $2)")
        .bind(id)
        .bind(attempts)
        .fetch_one(connection)
        .await?;
    Ok(found)
}

/// Forgets the jobs that were given up before `before`; answers how many. Takes a transaction in
/// the maintenance role.
pub async fn purge_failed(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar("SELECT app.purge_failed_jobs($1)")
        .bind(before)
        .fetch_one(connection)
        .await?;
    Ok(count)
}

/// The queue's crate keeps the debug form of its own error around our reason, as in
/// `TaskError("no \"such\" file")`; this takes the reason out again.
fn plain_reason(kept: &str) -> String {
    let (prefix, quoted) = match kept.split_once('(') {
        Some(("TaskError", rest)) => ("", rest),
        Some(("TaskPanic", rest)) => ("panicked: ", rest),
        _ => return kept.to_owned(),
    };
    let quoted = quoted.strip_suffix(')').unwrap_or(quoted);
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    format!("{prefix}{}", inner.map_or_else(|| quoted.to_owned(), unescape))
}

/// Undoes the escapes of a string's debug form.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('u') => {
                let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let scalar = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                out.push(scalar.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain_reason;

    #[test]
    fn a_reason_comes_back_as_it_was_given() {
        for reason in
            ["plain", "with \"quotes\" and \\", "two\nlines\t\u{1}", "文件已损坏 (E7)", ""]
        {
            assert_eq!(plain_reason(&format!("TaskError({reason:?})")), reason);
        }
        assert_eq!(plain_reason("TaskPanic(\"boom\")"), "panicked: boom");
        assert_eq!(plain_reason("the process stopped"), "the process stopped");
    }
}
