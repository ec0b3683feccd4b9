//! Comparing what the callers got with the ledger and with the upstream.

use std::collections::BTreeMap;

use lyceum_testkit::{MockUpstream, Session};
use serde::Deserialize;

use super::super::provision::PRICES;
use super::call::{Answer, Seen};
use super::cases::{Case, Outcome, answer_words, models, prompt_words};
use super::{Plan, ledger};

/// A row of the ledger.
#[derive(Debug, Deserialize)]
pub struct Row {
    request_id: String,
    requested_model: String,
    status: String,
    error_code: Option<String>,
    prompt_tokens: u64,
    completion_tokens: u64,
    estimated: bool,
    cost: Option<String>,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Report {
    /// Calls that were answered, or refused in so many words.
    pub answered: usize,
    /// Of these, those that failed as they should.
    pub failed: usize,
    /// Calls whose connection a kill broke.
    pub lost: usize,
    pub rows: usize,
    pub upstream_calls: u64,
    /// Answered calls without a row.
    pub missing: usize,
    /// Rows or answers that are not what they should be.
    pub wrong: usize,
    /// Rows beyond the first of a call.
    pub doubled: usize,
    /// All of these, in words.
    pub complaints: Vec<String>,
}

/// The whole ledger.
pub async fn rows(admin: &Session) -> anyhow::Result<Vec<Row>> {
    let calls = ledger::calls(admin, "").await?;
    calls.into_iter().map(|call| Ok(serde_json::from_value(call)?)).collect()
}

/// Looks for what is missing, doubled or wrong.
pub fn compare(plan: Plan, answers: &[Answer], rows: &[Row], upstream: &MockUpstream) -> Report {
    let upstream_calls = upstream.calls();
    let mut report = Report { rows: rows.len(), upstream_calls, ..Report::default() };
    let mut by_request: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_request.entry(&row.request_id).or_default().push(row);
    }
    for answer in answers {
        let found = answer.request.as_deref().and_then(|id| by_request.remove(id));
        report.judge(answer, found.as_deref().unwrap_or_default());
    }
    let nameless = answers.iter().filter(|answer| answer.request.is_none()).count();
    if by_request.len() > nameless {
        report.wrong += by_request.len() - nameless;
        report.complain(format!("{} rows belong to no call", by_request.len() - nameless));
    }
    if answers.len() != plan.calls || report.lost > plan.kills * plan.callers {
        report.wrong += 1;
        report.complain(format!("{} calls, {} lost of {plan:?}", answers.len(), report.lost));
    }
    for row in rows.iter().filter(|row| nanodollars(row) != Some(price(row))) {
        report.wrong += 1;
        report.complain(format!("wrong cost: {row:?}"));
    }
    report.compare_upstream(answers, rows, upstream);
    report
}

fn price(row: &Row) -> u64 {
    (row.prompt_tokens * PRICES.0 + row.completion_tokens * PRICES.1) * 1_000
}

fn nanodollars(row: &Row) -> Option<u64> {
    let dollars: f64 = row.cost.as_ref()?.parse().ok()?;
    Some((dollars * 1e9).round() as u64)
}

impl Report {
    fn complain(&mut self, words: String) {
        self.complaints.push(words);
    }

    fn judge(&mut self, answer: &Answer, rows: &[&Row]) {
        match &answer.seen {
            Seen::Lost => self.lost += 1,
            Seen::Failed { .. } => {
                self.answered += 1;
                self.failed += 1;
            }
            Seen::Whole { .. } | Seen::Odd(_) => self.answered += 1,
        }
        match (rows, &answer.seen) {
            ([], Seen::Lost) | ([_], Seen::Lost) => {}
            ([], _) => {
                self.missing += 1;
                self.complain(format!("no row: {answer:?}"));
            }
            ([row], _) => {
                if let Err(error) = check(answer, row) {
                    self.wrong += 1;
                    self.complain(format!("{error:#}: {answer:?}, {row:?}"));
                }
            }
            ([_, more @ ..], _) => {
                self.doubled += more.len();
                self.complain(format!("{} rows: {answer:?}", rows.len()));
            }
        }
    }

    /// The upstream saw each call that has a row, and none but those that also may be lost ones.
    fn compare_upstream(&mut self, answers: &[Answer], rows: &[Row], upstream: &MockUpstream) {
        let lost = || answers.iter().filter(|answer| matches!(answer.seen, Seen::Lost));
        for model in models() {
            let recorded = rows.iter().filter(|row| row.requested_model == model).count() as u64;
            let open =
                lost().filter(|answer| Case::of(answer.number).model == model).count() as u64;
            let seen = upstream.calls_of(model);
            if !(recorded..=recorded + open).contains(&seen) {
                self.wrong += 1;
                self.complain(format!("{model}: {recorded} rows, the upstream counted {seen}"));
            }
        }
        let (mut least, mut most) = ((0, 0), (0, 0));
        for answer in answers {
            let (prompt, completion) = Case::of(answer.number).billed(answer.number);
            most = (most.0 + prompt, most.1 + completion);
            if !matches!(answer.seen, Seen::Lost) {
                least = (least.0 + prompt, least.1 + completion);
            }
        }
        let (prompt, completion) = upstream.tokens();
        let within =
            (least.0..=most.0).contains(&prompt) && (least.1..=most.1).contains(&completion);
        if !within {
            self.wrong += 1;
            self.complain(format!(
                "the upstream counted {:?} tokens, which should be {least:?} to {most:?}",
                (prompt, completion)
            ));
        }
    }
}

/// Whether the answer is what its case says, and the row what the answer says.
fn check(answer: &Answer, row: &Row) -> anyhow::Result<()> {
    let case = Case::of(answer.number);
    let (prompt, completion) = (prompt_words(answer.number), answer_words(answer.number));
    let counts = (row.prompt_tokens, row.completion_tokens);
    anyhow::ensure!(row.requested_model == case.model, "another model");
    let (status, code, words) = match (&answer.seen, case.outcome) {
        (Seen::Whole { usage }, Outcome::Counted) => {
            anyhow::ensure!(!row.estimated && counts == (prompt, completion), "wrong counts");
            anyhow::ensure!(*usage == Some(counts), "the caller was told other counts");
            ("completed", None, 0)
        }
        (Seen::Whole { usage: None }, Outcome::Uncounted) => {
            anyhow::ensure!(row.estimated, "not marked as an estimate");
            ("completed", None, completion)
        }
        (Seen::Failed { code, .. }, Outcome::Refused(wanted)) if code == wanted => {
            anyhow::ensure!(!row.estimated && counts == (0, 0), "charged for a refusal");
            ("failed", Some(code.as_str()), 0)
        }
        (Seen::Failed { code, words }, Outcome::Broken(wanted)) if code == wanted => {
            anyhow::ensure!(row.estimated, "not marked as an estimate");
            ("failed", Some(code.as_str()), *words)
        }
        (Seen::Odd(words), _) => anyhow::bail!("{words}"),
        _ => anyhow::bail!("not what should come of {case:?}"),
    };
    anyhow::ensure!(row.status == status && row.error_code.as_deref() == code, "wrong status");
    // Estimates are on the high side.
    let enough = counts.0 >= prompt && counts.1 >= words;
    anyhow::ensure!(!row.estimated || enough, "an estimate below what was sent");
    Ok(())
}

// One function, since a benchmark, which has no tests, would find the others unused.
#[test]
fn what_is_missing_wrong_or_doubled_is_noticed() {
    /// The call of number 0 is answered with one word and the two before it.
    fn row() -> Row {
        Row {
            request_id: "a".to_owned(),
            requested_model: "ok".to_owned(),
            status: "completed".to_owned(),
            error_code: None,
            prompt_tokens: 1,
            completion_tokens: 3,
            estimated: false,
            cost: Some("0.000024".to_owned()),
        }
    }

    fn judged(seen: Seen, rows: &[&Row]) -> (usize, usize, usize) {
        let mut report = Report::default();
        report.judge(&Answer { number: 0, request: Some("a".to_owned()), seen }, rows);
        (report.missing, report.wrong, report.doubled)
    }

    let whole = || Seen::Whole { usage: Some((1, 3)) };
    let good = row();
    assert_eq!(nanodollars(&good), Some(price(&good)));
    assert_eq!(judged(whole(), &[&good]), (0, 0, 0));
    assert_eq!(judged(whole(), &[]), (1, 0, 0));
    assert_eq!(judged(whole(), &[&good, &good]), (0, 0, 1));
    assert_eq!(judged(Seen::Lost, &[]), (0, 0, 0));
    for wrong in [
        Row { completion_tokens: 2, ..row() },
        Row { estimated: true, ..row() },
        Row { status: "cancelled".to_owned(), ..row() },
        Row { requested_model: "slow".to_owned(), ..row() },
    ] {
        assert_eq!(judged(whole(), &[&wrong]), (0, 1, 0), "{wrong:?}");
    }
    assert_eq!(judged(Seen::Whole { usage: Some((1, 2)) }, &[&good]), (0, 1, 0));
    assert_eq!(judged(Seen::Failed { code: "x".to_owned(), words: 0 }, &[&good]), (0, 1, 0));
    assert_ne!(nanodollars(&Row { cost: None, ..row() }), Some(price(&good)));
}
