use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::Options;

/// What was used of a model on a day. `None` is what one side does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReconciliationFigures)]
pub struct Figures {
    /// Tokens of prompts, cached ones included.
    pub prompt_tokens: Option<i64>,
    /// Tokens generated.
    pub completion_tokens: Option<i64>,
    /// Tokens of prompts that came from the provider's cache.
    pub cached_tokens: Option<i64>,
    /// US dollars; of the ledger's calls those whose price is known.
    pub cost: Option<Decimal>,
    /// Calls of the ledger without a price.
    pub unpriced_calls: i64,
    /// Calls of the ledger whose tokens are an estimate.
    pub estimated_calls: i64,
}

impl Figures {
    /// Whether nothing was used.
    pub(super) fn is_nothing(&self) -> bool {
        let tokens = [self.prompt_tokens, self.completion_tokens, self.cached_tokens];
        tokens.into_iter().flatten().all(|count| count == 0)
            && self.cost.is_none_or(|cost| cost.is_zero())
    }

    fn named(&self) -> [(&'static str, Option<Decimal>); 4] {
        [
            ("prompt_tokens", self.prompt_tokens.map(Decimal::from)),
            ("completion_tokens", self.completion_tokens.map(Decimal::from)),
            ("cached_tokens", self.cached_tokens.map(Decimal::from)),
            ("cost", self.cost),
        ]
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, more: Self) {
        fn add<T>(sum: &mut Option<T>, more: Option<T>, with: impl Fn(T, T) -> T) {
            *sum = match (sum.take(), more) {
                (Some(sum), Some(more)) => Some(with(sum, more)),
                (sum, more) => sum.or(more),
            };
        }
        add(&mut self.prompt_tokens, more.prompt_tokens, i64::saturating_add);
        add(&mut self.completion_tokens, more.completion_tokens, i64::saturating_add);
        add(&mut self.cached_tokens, more.cached_tokens, i64::saturating_add);
        add(&mut self.cost, more.cost, Decimal::saturating_add);
        self.unpriced_calls = self.unpriced_calls.saturating_add(more.unpriced_calls);
        self.estimated_calls = self.estimated_calls.saturating_add(more.estimated_calls);
    }
}

/// Differences that do not matter: those within one of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Tokens of one kind, of one model on one day.
    pub tokens: Decimal,
    /// US dollars of one model on one day; a cent by default, because invoices are rounded.
    pub cost: Decimal,
    /// Per cent of what the provider says.
    pub percent: Decimal,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { tokens: Decimal::ZERO, cost: Decimal::new(1, 2), percent: Decimal::ZERO }
    }
}

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReconciliationDifferenceKind)]
pub enum DifferenceKind {
    /// The provider says that the model was used; the ledger knows nothing of it.
    MissingInLedger,
    /// The ledger has usage of which the provider says nothing.
    MissingAtProvider,
    /// Both know it and tell different figures.
    Different,
}

impl DifferenceKind {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingInLedger => "missing_in_ledger",
            Self::MissingAtProvider => "missing_at_provider",
            Self::Different => "different",
        }
    }
}

/// One figure on which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReconciliationDiffering)]
pub struct Differing {
    /// `prompt_tokens`, `completion_tokens`, `cached_tokens` or `cost`.
    pub figure: &'static str,
    /// What the ledger says.
    pub ledger: Decimal,
    /// What the provider says.
    pub provider: Decimal,
    /// How much more the provider says.
    pub difference: Decimal,
    /// The same in per cent of the ledger's figure; absent where that is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<Decimal>,
}

/// A model and a day on which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReconciliationDifference)]
pub struct Difference {
    /// The day.
    pub day: NaiveDate,
    /// The model that served.
    pub model: String,
    /// What is different.
    pub kind: DifferenceKind,
    /// Each figure that is.
    pub figures: Vec<Differing>,
    /// Calls of the ledger without a price, which may be why the cost differs.
    pub unpriced_calls: i64,
    /// Calls of the ledger whose tokens are an estimate, which may be why tokens differ.
    pub estimated_calls: i64,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reconciliation {
    /// The provider asked for.
    pub provider: Option<String>,
    /// The zone of the days.
    pub timezone: String,
    /// The first day of the file.
    pub from: Option<NaiveDate>,
    /// The last day of the file.
    pub to: Option<NaiveDate>,
    /// Models and days that were compared.
    pub compared: usize,
    /// In the order of days and models.
    pub differences: Vec<Difference>,
    /// All that the ledger has of these days.
    pub ledger: Figures,
    /// All that the file has.
    pub file: Figures,
}

type Side = BTreeMap<(NaiveDate, String), Figures>;

/// Compares, model by model and day by day, what both sides tell.
pub(super) fn compare(ours: &Side, theirs: &Side, options: &Options) -> Reconciliation {
    let mut found = Reconciliation {
        provider: options.provider.clone(),
        timezone: options.timezone.clone(),
        from: theirs.first_key_value().map(|((day, _), _)| *day),
        to: theirs.last_key_value().map(|((day, _), _)| *day),
        compared: 0,
        differences: Vec::new(),
        ledger: Figures::default(),
        file: Figures::default(),
    };
    let keys: BTreeSet<&(NaiveDate, String)> = ours.keys().chain(theirs.keys()).collect();
    // What the file tells of no line at all is not compared.
    let told = theirs.values().fold(Figures::default(), |mut sum, figures| {
        sum += *figures;
        sum
    });
    for key in keys {
        let of = |side: &Side| side.get(key).copied().filter(|figures| !figures.is_nothing());
        let (ledger, file) = (of(ours), of(theirs));
        found.compared += usize::from(ledger.is_some() || file.is_some());
        found.ledger += ledger.unwrap_or_default();
        found.file += file.unwrap_or_default();
        let kind = match (&ledger, &file) {
            (None, None) => continue,
            (None, Some(_)) => DifferenceKind::MissingInLedger,
            (Some(_), None) => DifferenceKind::MissingAtProvider,
            (Some(_), Some(_)) => DifferenceKind::Different,
        };
        let ledger = ledger.unwrap_or_default();
        let figures = differing(&ledger, &file.unwrap_or_default(), &told, &options.tolerance);
        if !figures.is_empty() {
            let Figures { unpriced_calls, estimated_calls, .. } = ledger;
            let (day, model) = key.clone();
            let difference =
                Difference { day, model, kind, figures, unpriced_calls, estimated_calls };
            found.differences.push(difference);
        }
    }
    found
}

fn differing(
    ledger: &Figures,
    file: &Figures,
    told: &Figures,
    tolerance: &Tolerance,
) -> Vec<Differing> {
    let sides = ledger.named().into_iter().zip(file.named()).zip(told.named());
    sides
        .filter(|(_, (_, told))| told.is_some())
        .filter_map(|(((figure, ledger), (_, provider)), _)| {
            let ledger = ledger.unwrap_or_default().normalize();
            let provider = provider.unwrap_or_default().normalize();
            let difference = provider.saturating_sub(ledger).normalize();
            let absolute = if figure == "cost" { tolerance.cost } else { tolerance.tokens };
            let hundred = Decimal::ONE_HUNDRED;
            let share = provider.abs().saturating_mul(tolerance.percent) / hundred;
            let percent = difference.checked_mul(hundred).and_then(|d| d.checked_div(ledger));
            let percent = percent.map(|percent| percent.round_dp(2).normalize());
            (difference.abs() > absolute.max(share)).then_some(Differing {
                figure,
                ledger,
                provider,
                difference,
                percent,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(prompt: i64, cost: &str) -> Figures {
        let (prompt_tokens, cost) = (Some(prompt), Some(cost.parse().unwrap()));
        Figures { prompt_tokens, cost, completion_tokens: Some(0), ..Figures::default() }
    }

    fn side(rows: &[(&str, &str, i64, &str)]) -> Side {
        let row = |&(day, model, prompt, cost): &(&str, &str, i64, &str)| {
            ((day.parse().unwrap(), model.to_owned()), figures(prompt, cost))
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn equal_sides_have_no_difference() {
        let ours = side(&[("2026-11-01", "a", 10, "1"), ("2026-11-02", "a", 0, "0")]);
        let found = compare(&ours, &side(&[("2026-11-01", "a", 10, "1.009")]), &Options::default());
        assert_eq!((found.differences.len(), found.compared), (0, 1));
    }

    #[test]
    fn each_difference_is_listed_with_its_size() {
        let ours = side(&[("2026-11-01", "a", 100, "1"), ("2026-11-01", "b", 5, "0.5")]);
        let theirs = side(&[("2026-11-01", "a", 110, "1"), ("2026-11-02", "c", 7, "0.7")]);
        let found = compare(&ours, &theirs, &Options::default());
        let kinds: Vec<_> = found.differences.iter().map(|d| (d.model.as_str(), d.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("a", DifferenceKind::Different),
                ("b", DifferenceKind::MissingAtProvider),
                ("c", DifferenceKind::MissingInLedger),
            ]
        );
        let first = &found.differences[0].figures;
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].figure, first[0].difference), ("prompt_tokens", Decimal::TEN));
        assert_eq!(first[0].percent, Some(Decimal::TEN));
        let missing = &found.differences[2].figures;
        assert_eq!(missing.iter().map(|d| d.figure).collect::<Vec<_>>(), ["prompt_tokens", "cost"]);
        assert_eq!(missing[0].percent, None);
        assert_eq!(found.file.prompt_tokens, Some(117));
    }

    #[test]
    fn what_is_tolerated_is_no_difference() {
        let ours = side(&[("2026-11-01", "a", 1000, "1")]);
        let theirs = side(&[("2026-11-01", "a", 1010, "1.05")]);
        let within = |tokens: i64, cost: &str, percent: i64| {
            let tolerance = Tolerance {
                tokens: tokens.into(),
                cost: cost.parse().unwrap(),
                percent: percent.into(),
            };
            let options = Options { tolerance, ..Options::default() };
            compare(&ours, &theirs, &options).differences.len()
        };
        assert_eq!(within(9, "1", 0), 1);
        assert_eq!(within(10, "0.05", 0), 0);
        assert_eq!(within(0, "0", 5), 0);
        assert_eq!(within(0, "0", 4), 1);
    }

    #[test]
    fn what_a_file_does_not_tell_is_not_compared() {
        let ours = side(&[("2026-11-01", "a", 1000, "9")]);
        let mut theirs = side(&[("2026-11-01", "a", 1000, "0")]);
        theirs.values_mut().for_each(|figures| figures.cost = None);
        assert_eq!(compare(&ours, &theirs, &Options::default()).differences, []);
    }
}
