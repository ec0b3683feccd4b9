//! Counting failed attempts. Three things are counted apart: an account from one address, so that
//! a guesser locks out only himself; the account from anywhere, against many addresses; and the
//! address for any account, against trying one password everywhere. The codes of second factors
//! are counted apart from passwords: whoever knows the password may not wipe out his guesses at the
//! code with it.

use std::net::{IpAddr, Ipv6Addr};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::IdentityError;
use crate::token::sha256;

/// The pause after the last free attempt; it doubles with each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Failures older than this are forgotten.
const MEMORY: TimeDelta = TimeDelta::hours(1);

/// Letters to one address that nobody there asked for, before each further one has to wait.
const LETTERS_MAX: i32 = 3;

/// Guesses at the codes of one account, from anywhere.
const CODES_MAX: i32 = 10;

/// How many attempts may fail before each further one has to wait (30 s, doubling to 15 minutes).
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimits {
    /// For one account from one address.
    pub account_and_address: i32,
    /// For one account from anywhere.
    pub account: i32,
    /// From one address (an IPv6 network of 64 bits) for any account.
    pub address: i32,
}

impl AttemptLimits {
    /// For codes of six digits, of which three are right at a time: fewer guesses from anywhere.
    pub(super) fn for_codes(self) -> Self {
        Self { account: self.account.min(CODES_MAX), ..self }
    }
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self { account_and_address: 5, account: 50, address: 100 }
    }
}

/// What one attempt counts against.
pub(crate) struct Subjects {
    both: [u8; 32],
    account: [u8; 32],
    address: Option<[u8; 32]>,
}

impl Subjects {
    /// An attempt at an account that exists, under whichever name.
    pub(crate) fn of_user(user: Uuid, ip: Option<IpAddr>) -> Self {
        Self::new(&format!("user {user}"), ip)
    }

    /// An attempt at one that does not; it is counted in the same way.
    pub(crate) fn of_login(login: &str, ip: Option<IpAddr>) -> Self {
        Self::new(&format!("login {}", login.to_lowercase()), ip)
    }

    /// Another act that anybody may try, named by what it is about.
    pub(crate) fn of_act(what: &str, ip: Option<IpAddr>) -> Self {
        Self::new(&format!("act {what}"), ip)
    }

    /// A guess at the second factor of an account.
    pub(crate) fn of_code(user: Uuid, ip: Option<IpAddr>) -> Self {
        Self::new(&format!("code {user}"), ip)
    }

    fn new(account: &str, ip: Option<IpAddr>) -> Self {
        let address = ip.map(|ip| format!("address {}", network(ip)));
        let both = format!("{account}\0{}", address.as_deref().unwrap_or_default());
        Self {
            both: sha256(both.as_bytes()),
            account: sha256(account.as_bytes()),
            address: address.map(|address| sha256(address.as_bytes())),
        }
    }
}

/// The address itself, or the network of 64 bits that one IPv6 subscriber has.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) >> 64 << 64)),
        v4 => v4,
    }
}

/// Counts the beginning of a sign-in by passkey or through an issuer as failed until
/// [`forget_start`], or refuses it. Anybody may begin one and it costs the platform something, so
/// they are counted by the address; apart from passwords, so that the one does not lock the other.
pub(crate) async fn count_start(
    connection: &mut PgConnection,
    ip: Option<IpAddr>,
    limits: AttemptLimits,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    match ip {
        Some(ip) => count_one(connection, &start(ip), limits.address, now).await,
        None => Ok(()),
    }
}

/// What was begun has led to a sign-in.
pub(crate) async fn forget_start(
    connection: &mut PgConnection,
    ip: Option<IpAddr>,
) -> Result<(), IdentityError> {
    match ip {
        Some(ip) => forget_one(connection, &start(ip)).await,
        None => Ok(()),
    }
}

fn start(ip: IpAddr) -> [u8; 32] {
    sha256(format!("start {}", network(ip)).as_bytes())
}

/// Counts an unasked-for letter to an address and says whether it may be sent.
pub(crate) async fn may_write_to(
    connection: &mut PgConnection,
    email: &str,
    now: DateTime<Utc>,
) -> Result<bool, IdentityError> {
    let subject = sha256(format!("letter {}", email.to_lowercase()).as_bytes());
    match count_one(connection, &subject, LETTERS_MAX, now).await {
        Ok(()) => Ok(true),
        Err(IdentityError::TooManyAttempts { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Counts an attempt as failed until [`forget`] says otherwise, or refuses it.
pub(crate) async fn count(
    connection: &mut PgConnection,
    subjects: &Subjects,
    limits: AttemptLimits,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    let mut counted =
        vec![(subjects.both, limits.account_and_address), (subjects.account, limits.account)];
    counted.extend(subjects.address.map(|address| (address, limits.address)));
    // Always in the same order, so that two attempts do not wait for each other's rows.
    counted.sort_unstable();
    for (subject, free) in counted {
        count_one(connection, &subject, free, now).await?;
    }
    Ok(())
}

async fn count_one(
    connection: &mut PgConnection,
    subject: &[u8; 32],
    free: i32,
    now: DateTime<Utc>,
) -> Result<(), IdentityError> {
    let row = sqlx::query!(
        r#"INSERT INTO identity.login_attempts AS a
             (subject_hash, failures, last_failed_at) VALUES ($1, 1, $2)
           ON CONFLICT (subject_hash) DO UPDATE SET
             failures = CASE WHEN a.locked_until > $2 THEN a.failures
                             WHEN a.last_failed_at < $3 THEN 1
                             ELSE a.failures + 1 END,
             last_failed_at = CASE WHEN a.locked_until > $2 THEN a.last_failed_at ELSE $2 END
           RETURNING failures, locked_until"#,
        subject.as_slice(),
        now,
        now - MEMORY,
    )
    .fetch_one(&mut *connection)
    .await?;
    if let Some(until) = row.locked_until.filter(|&until| until > now) {
        let after = (until - now).to_std().unwrap_or_default();
        return Err(IdentityError::TooManyAttempts { after });
    }
    if row.failures >= free {
        sqlx::query!(
            "UPDATE identity.login_attempts SET locked_until = $2 WHERE subject_hash = $1",
            subject.as_slice(),
            now + pause(row.failures - free),
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

fn pause(beyond: i32) -> TimeDelta {
    let doubled = FIRST_PAUSE * (1 << beyond.clamp(0, 10));
    doubled.min(LONGEST_PAUSE)
}

/// The attempt was right after all. The address keeps its other failures: whoever has one account
/// may not wipe out his guesses at others with it.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    subjects: &Subjects,
) -> Result<(), IdentityError> {
    // In the order in which they are counted, so that two attempts do not wait for each other.
    let counted: Vec<Vec<u8>> = [Some(subjects.both), Some(subjects.account), subjects.address]
        .into_iter()
        .flatten()
        .map(Vec::from)
        .collect();
    sqlx::query!(
        "SELECT subject_hash FROM identity.login_attempts WHERE subject_hash = ANY ($1)
         ORDER BY subject_hash FOR UPDATE",
        &counted,
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM identity.login_attempts WHERE subject_hash IN ($1, $2)",
        subjects.both.as_slice(),
        subjects.account.as_slice(),
    )
    .execute(&mut *connection)
    .await?;
    if let Some(address) = &subjects.address {
        forget_one(connection, address).await?;
    }
    Ok(())
}

async fn forget_one(
    connection: &mut PgConnection,
    subject: &[u8; 32],
) -> Result<(), IdentityError> {
    sqlx::query!(
        "UPDATE identity.login_attempts
         SET failures = greatest(failures - 1, 0), locked_until = NULL
         WHERE subject_hash = $1",
        subject.as_slice(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_quarter_of_an_hour() {
        let seconds = [0, 1, 2, 4, 5, 50, i32::MAX].map(|beyond| pause(beyond).num_seconds());
        assert_eq!(seconds, [30, 60, 120, 480, 900, 900, 900]);
    }

    #[test]
    fn one_ipv6_subscriber_is_one_address() {
        let of = |text: &str| Subjects::of_login("ada", Some(text.parse().unwrap())).address;
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
