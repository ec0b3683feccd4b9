//! What this process holds of quotas. A call reserves in memory of what was leased; only where that
//! is used up does it ask the database for more. What is leased counts as taken for every other
//! process, so that together they never let through more than a quota holds.

mod account;
mod amounts;
mod store;
mod tally;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lyceum_store::Db;
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use account::Account;
pub(crate) use amounts::{Amounts, RESOURCES};
pub(crate) use tally::{Tally, Warning};

use account::Standing;

use super::QuotaRefusal;
use crate::GatewayError;

/// Other processes, told that one is short, give back what they do not need; after this time it is
/// tried again, so often.
const RETURNED_WITHIN: Duration = Duration::from_millis(50);
const TRIES: usize = 5;

/// The quotas that this process knows. All clones are one.
#[derive(Clone, Default)]
pub(crate) struct Accounts(Arc<Mutex<HashMap<Uuid, Arc<Account>>>>);

impl Accounts {
    /// By the user, group or key whose quota it is.
    fn by_subject(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Account>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accounts of the quotas that bind any of these, in the order of their ids.
    pub(crate) async fn load(
        &self,
        connection: &mut PgConnection,
        users: &[Uuid],
        keys: &[Uuid],
        groups: &[Uuid],
        at: DateTime<Utc>,
    ) -> Result<Vec<Arc<Account>>, sqlx::Error> {
        let standings = store::standings(connection, users, keys, groups, at).await?;
        let mut accounts = self.by_subject();
        let known = |standing: Standing| {
            let account = accounts.entry(standing.subject_id);
            let account = account.or_insert_with(|| Arc::new(Account::new(standing.clone())));
            // One that was deleted and set anew is another.
            if account.id != standing.quota_id {
                *account = Arc::new(Account::new(standing));
            }
            account.clone()
        };
        Ok(standings.into_iter().map(known).collect())
    }

    /// After any change of quotas: all have to be asked for again.
    pub(crate) fn forget(&self) {
        for account in self.by_subject().values() {
            account.state().is_stale = true;
        }
    }

    /// What is leased and not needed by a running call, of one quota.
    pub(crate) fn free_of(&self, subject: Uuid) -> Amounts {
        let accounts = self.by_subject();
        accounts.get(&subject).map_or_else(Amounts::default, |account| account.unneeded())
    }

    /// Gives back what is free of all, or only of those that nobody used since the last time.
    pub(crate) async fn give_back(&self, db: &Db, holder: i64, only_idle: bool) {
        let (mut accounts, mut returned) = (Vec::new(), Vec::new());
        for account in self.by_subject().values() {
            let mut state = account.state();
            let was_idle = std::mem::replace(&mut state.is_idle, true);
            if only_idle && !was_idle {
                continue;
            }
            let amounts = state.give_back(holder);
            if !amounts.is_zero() {
                accounts.push(account.clone());
                returned.push(amounts);
            }
        }
        if accounts.is_empty() {
            return;
        }
        if let Err(error) = store::give_back(db, holder, &ids(&accounts), &returned).await {
            tracing::warn!(%error, "quotas were not given back");
            keep(&accounts, holder, &returned, &error);
        }
    }
}

/// What a call holds of the quotas that bind it. Dropped before its row is in the ledger, it gives
/// everything back.
pub(crate) struct Reserved {
    holder: i64,
    held: Vec<(Arc<Account>, Amounts)>,
}

impl std::fmt::Debug for Reserved {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let held: Vec<_> = self.held.iter().map(|(account, held)| (account.id, held)).collect();
        formatter.debug_struct("Reserved").field("held", &held).finish_non_exhaustive()
    }
}

impl Reserved {
    /// The call's row is in the ledger, with `spent`.
    pub(crate) fn settle(mut self, spent: Amounts) {
        self.end(spent);
    }

    fn end(&mut self, spent: Amounts) {
        for (account, held) in std::mem::take(&mut self.held) {
            account.state().settle(self.holder, held, spent);
        }
    }

    /// Whose quota (`user`, `group` or `api_key`) limits costs, if one of them does.
    pub(crate) fn cost_limited_by(&self) -> Option<String> {
        self.held.iter().find_map(|(account, _)| account.cost_limited_by())
    }

    /// Quotas of which four fifths are used.
    pub(crate) fn warnings(&self, at: DateTime<Utc>) -> Vec<String> {
        self.held.iter().flat_map(|(account, _)| account.warnings(at)).collect()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.end(Amounts::default());
    }
}

/// Takes `wanted` of what is leased of all `accounts`, or nothing of any.
pub(crate) fn take(
    accounts: &[Arc<Account>],
    holder: i64,
    wanted: Amounts,
    at: DateTime<Utc>,
) -> Option<Reserved> {
    let mut reserved = Reserved { holder, held: Vec::with_capacity(accounts.len()) };
    for account in accounts {
        // Where one has too little, dropping gives back what the others gave.
        let held = account.state().take(holder, wanted, at)?;
        reserved.held.push((account.clone(), held));
    }
    Some(reserved)
}

/// The same, leasing more where it is needed. Runs to its end also where the caller goes away, so
/// that what was leased is known.
pub(crate) async fn reserve(
    db: &Db,
    accounts: &Arc<[Arc<Account>]>,
    holder: i64,
    wanted: Amounts,
    at: DateTime<Utc>,
) -> Result<Reserved, GatewayError> {
    if let Some(reserved) = take(accounts, holder, wanted, at) {
        return Ok(reserved);
    }
    let (db, accounts) = (db.clone(), accounts.clone());
    let leasing = tokio::spawn(async move {
        // In the order of ids, as everybody does.
        let mut turns = Vec::with_capacity(accounts.len());
        for account in accounts.iter() {
            turns.push(account.leasing.lock().await);
        }
        if let Some(reserved) = take(&accounts, holder, wanted, at) {
            return Ok(reserved);
        }
        let mut leased = lease(&db, &accounts, holder, wanted, at).await?;
        for _ in 0..TRIES {
            if !matches!(leased, Leased::Refused { elsewhere: true, .. }) {
                break;
            }
            tokio::time::sleep(RETURNED_WITHIN).await;
            leased = lease(&db, &accounts, holder, wanted, at).await?;
        }
        match leased {
            Leased::Reserved(reserved) => Ok(reserved),
            Leased::Refused { refusal: Some(refusal), .. } => {
                Err(GatewayError::QuotaExceeded(Box::new(refusal)))
            }
            Leased::Refused { refusal: None, .. } => {
                Err(GatewayError::Ledger { storage_full: false })
            }
        }
    });
    leasing.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

enum Leased {
    Reserved(Reserved),
    /// Other processes may hold what is missing.
    Refused {
        refusal: Option<QuotaRefusal>,
        elsewhere: bool,
    },
}

async fn lease(
    db: &Db,
    accounts: &[Arc<Account>],
    holder: i64,
    wanted: Amounts,
    at: DateTime<Utc>,
) -> Result<Leased, GatewayError> {
    let returned: Vec<_> =
        accounts.iter().map(|account| account.state().give_back(holder)).collect();
    let lease = store::lease(db, holder, &ids(accounts), &returned, wanted, at).await;
    let lease = lease.inspect_err(|error| keep(accounts, holder, &returned, error))?;
    let refusals = lease.standings.iter().flat_map(|standing| standing.refusals(wanted, at));
    // The one that holds longest.
    let refusal = refusals.max_by_key(|refusal| refusal.ends_at);
    let mut held = Vec::with_capacity(accounts.len());
    for standing in lease.standings {
        // Those that are gone bind nobody.
        if let Some(account) = accounts.iter().find(|account| account.id == standing.quota_id) {
            let taken = account.state().learn(standing, lease.times, wanted);
            held.push((account.clone(), taken));
        }
    }
    Ok(match lease.times {
        0 => {
            // Where too much is used already, nothing that others hold would help.
            let elsewhere = lease.elsewhere && refusal.as_ref().is_none_or(|r| r.is_passing());
            Leased::Refused { refusal, elsewhere }
        }
        _ => Leased::Reserved(Reserved { holder, held }),
    })
}

fn ids(accounts: &[Arc<Account>]) -> Vec<Uuid> {
    accounts.iter().map(|account| account.id).collect()
}

/// A statement that failed gave nothing back. Where it is not known, it counts as given back, so
/// that nothing is held for ever.
fn keep(accounts: &[Arc<Account>], holder: i64, returned: &[Amounts], error: &sqlx::Error) {
    if !matches!(error, sqlx::Error::Database(_) | sqlx::Error::PoolTimedOut) {
        return;
    }
    for (account, amounts) in accounts.iter().zip(returned) {
        account.state().keep(holder, *amounts);
    }
}
