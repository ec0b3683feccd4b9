use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{Account, Accounts, Amounts};
use crate::ledger::LedgerRow;

/// What a batch of the ledger adds to quotas.
#[derive(Default)]
pub(crate) struct Tally {
    by_quota: HashMap<Uuid, (Arc<Account>, NaiveDate, Amounts)>,
    /// Rows of other months than the accounts know, with what they add.
    pub(crate) strays: Vec<(Arc<Account>, DateTime<Utc>, Amounts)>,
}

/// A resource of which four fifths were crossed.
pub(crate) struct Warning {
    pub(crate) quota: Uuid,
    pub(crate) resource: &'static str,
    pub(crate) month: NaiveDate,
}

impl Accounts {
    /// Counts rows for the quotas that are known.
    pub(crate) fn tally(&self, rows: &[&LedgerRow]) -> Tally {
        let accounts = self.by_subject();
        let mut tally = Tally::default();
        if accounts.is_empty() {
            return tally;
        }
        for row in rows {
            let amounts = Amounts::of_row(row);
            let subjects = [Some(row.user_id), row.api_key_id].into_iter().flatten();
            for subject in subjects.chain(row.group_ids.iter().copied()) {
                let Some(account) = accounts.get(&subject) else { continue };
                match account.month_of(row.created_at) {
                    Some(month) => tally.add(account.clone(), month, amounts),
                    None => tally.strays.push((account.clone(), row.created_at, amounts)),
                }
            }
        }
        tally
    }
}

impl Tally {
    /// Of several months of one quota only the last counts: one that is over is not counted any
    /// more.
    pub(crate) fn add(&mut self, account: Arc<Account>, month: NaiveDate, amounts: Amounts) {
        let entry = self.by_quota.entry(account.id);
        let (_, counted, sum) = entry.or_insert((account, month, Amounts::default()));
        if month > *counted {
            (*counted, *sum) = (month, Amounts::default());
        }
        if month == *counted {
            *sum += amounts;
        }
    }

    /// Each quota with its month and what to add.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, NaiveDate, Amounts)> {
        self.by_quota.iter().map(|(quota, (_, month, amounts))| (*quota, *month, *amounts))
    }

    /// It is in the ledger. Answers whom to warn.
    pub(crate) fn commit(self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for (quota, (account, month, amounts)) in self.by_quota {
            let crossed = account.state().count(month, amounts);
            warnings.extend(crossed.into_iter().map(|resource| Warning { quota, resource, month }));
        }
        warnings
    }
}
