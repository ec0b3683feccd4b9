//! Which column of a file holds what: by the names that providers give them.

use std::str::FromStr;

use super::FileError;

/// What a column can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Date,
    Model,
    PromptTokens,
    CompletionTokens,
    CachedTokens,
    Cost,
}

const FIELDS: [(&str, Field); 6] = [
    ("date", Field::Date),
    ("model", Field::Model),
    ("prompt_tokens", Field::PromptTokens),
    ("completion_tokens", Field::CompletionTokens),
    ("cached_tokens", Field::CachedTokens),
    ("cost", Field::Cost),
];

/// A column named by hand: `prompt_tokens=Input` or `prompt_tokens=Input+Cache reads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    field: Field,
    name: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ours, theirs) = text.split_once('=').ok_or("write OURS=THEIRS")?;
        let known = FIELDS.iter().find(|(name, _)| *name == ours.trim());
        let (_, field) = known.ok_or_else(|| {
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            format!("'{ours}' is none of {}", names.join(", "))
        })?;
        match theirs.trim() {
            "" => Err("the column's name is missing".to_owned()),
            name => Ok(Self { field: *field, name: name.to_owned() }),
        }
    }
}

// The names in exports of OpenAI and Anthropic, and usual ones; the first that is there counts.
const DATE: &[&str] = &[
    "date",
    "day",
    "usage_date",
    "usage_date_utc",
    "start_time_iso",
    "start_time",
    "starting_at",
    "timestamp",
    "created_at",
    "created",
    "time",
];
const MODEL: &[&str] = &["model", "model_version", "model_name", "model_id", "snapshot_id"];
const PROMPT: &[&str] = &[
    "prompt_tokens",
    "input_tokens",
    "usage_input_tokens_no_cache",
    "uncached_input_tokens",
    "n_context_tokens_total",
    "total_input_tokens",
    "context_tokens",
];
/// Anthropic counts what is read from and written to its cache beside the rest of the prompt; all
/// of these are added.
const PROMPT_BESIDE: &[&str] = &[
    "usage_input_tokens_cache_write_5m",
    "usage_input_tokens_cache_write_1h",
    "usage_input_tokens_cache_write",
    "usage_input_tokens_cache_read",
    "cache_creation_input_tokens",
    "cache_creation_ephemeral_5m_input_tokens",
    "cache_creation_ephemeral_1h_input_tokens",
    "cache_read_input_tokens",
];
const COMPLETION: &[&str] = &[
    "completion_tokens",
    "output_tokens",
    "usage_output_tokens",
    "n_generated_tokens_total",
    "total_output_tokens",
    "generated_tokens",
];
const CACHED: &[&str] = &[
    "cached_tokens",
    "input_cached_tokens",
    "cached_input_tokens",
    "usage_input_tokens_cache_read",
    "cache_read_input_tokens",
    "n_cached_context_tokens_total",
];
const COST: &[&str] =
    &["cost", "cost_usd", "cost_in_usd", "total_cost", "amount_value", "amount_usd", "amount"];

/// Where in a line everything stands. What several columns hold is added up.
#[derive(Debug, PartialEq)]
pub(super) struct Places {
    pub(super) date: usize,
    pub(super) model: usize,
    pub(super) prompt: Vec<usize>,
    pub(super) completion: Vec<usize>,
    pub(super) cached: Vec<usize>,
    pub(super) cost: Vec<usize>,
}

impl Places {
    /// Reads the head line.
    pub(super) fn find(head: &[&str], mappings: &[Mapping]) -> Result<Self, FileError> {
        let names: Vec<String> = head.iter().map(|name| normal(name)).collect();
        let first = |known: &[&str]| {
            known.iter().find_map(|known| names.iter().position(|name| name == known))
        };
        let all = |known: &[&str]| {
            let place = |known: &&str| names.iter().position(|name| name == known);
            known.iter().filter_map(place).collect::<Vec<_>>()
        };
        let mapped = |field| mapped(head, mappings, field);
        let one = |field, known: &[&str], what: &str| {
            let place = mapped(field)?.and_then(|places| places.first().copied());
            place.or_else(|| first(known)).ok_or_else(|| missing(head, what))
        };
        let some = |field, known: &[&str]| {
            let places = mapped(field)?;
            Ok(places.unwrap_or_else(|| first(known).into_iter().collect()))
        };
        let prompt = match mapped(Field::PromptTokens)? {
            Some(places) => places,
            None => first(PROMPT).into_iter().chain(all(PROMPT_BESIDE)).collect(),
        };
        let places = Self {
            date: one(Field::Date, DATE, "date")?,
            model: one(Field::Model, MODEL, "model")?,
            prompt,
            completion: some(Field::CompletionTokens, COMPLETION)?,
            cached: some(Field::CachedTokens, CACHED)?,
            cost: some(Field::Cost, COST)?,
        };
        match places.prompt.is_empty() && places.completion.is_empty() && places.cost.is_empty() {
            true => Err(missing(head, "cost")),
            false => Ok(places),
        }
    }
}

fn mapped(
    head: &[&str],
    mappings: &[Mapping],
    field: Field,
) -> Result<Option<Vec<usize>>, FileError> {
    let Some(mapping) = mappings.iter().rfind(|mapping| mapping.field == field) else {
        return Ok(None);
    };
    let place = |name: &str| head.iter().position(|found| normal(found) == normal(name));
    if let Some(place) = place(&mapping.name) {
        return Ok(Some(vec![place]));
    }
    let places: Option<Vec<usize>> = mapping.name.split('+').map(place).collect();
    match places {
        Some(places) => Ok(Some(places)),
        None => {
            let reason = format!("there is no column '{}' among {}", mapping.name, listed(head));
            Err(FileError::at(1, reason))
        }
    }
}

fn missing(head: &[&str], what: &str) -> FileError {
    let reason = format!("no column is known to hold the {what}; name it, one of {}", listed(head));
    FileError::at(1, reason)
}

fn listed(head: &[&str]) -> String {
    let mut names: Vec<String> = head.iter().map(|name| format!("'{}'", name.trim())).collect();
    names.truncate(50);
    names.join(", ")
}

/// A name in small letters, with one underscore for whatever is no letter or digit.
fn normal(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_names() {
        let head = [
            "Usage Date (UTC)",
            "Model version",
            "usage_input_tokens_no_cache",
            "usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_read",
            "usage_output_tokens",
            "Cost (USD)",
        ];
        let places = Places::find(&head, &[]).unwrap();
        assert_eq!((places.date, places.model), (0, 1));
        assert_eq!(places.prompt, [2, 3, 4]);
        assert_eq!((places.completion, places.cached, places.cost), (vec![5], vec![4], vec![6]));
    }

    #[test]
    fn columns_are_named_by_hand() {
        let head = ["When", "Engine", "In", "In cached", "Out", "date"];
        let map = |text: &str| text.parse::<Mapping>().unwrap();
        let maps = [map("date=When"), map("model=engine"), map("prompt_tokens=In+In cached")];
        let places = Places::find(&head, &maps).unwrap();
        assert_eq!((places.date, places.model, places.prompt), (0, 1, vec![2, 3]));
        let error = Places::find(&head, &[map("model=Motor")]).unwrap_err();
        assert!(error.to_string().contains("no column 'Motor' among 'When', 'Engine'"), "{error}");
        for bad in ["model", "modell=x", "model="] {
            assert!(bad.parse::<Mapping>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Places::find(&["model", "cost"], &[]).unwrap_err();
        assert!(error.to_string().starts_with("line 1: no column is known to hold the date"));
        let error = Places::find(&["date", "model", "requests"], &[]).unwrap_err();
        assert!(error.reason.contains("hold the cost"), "{error}");
    }
}
