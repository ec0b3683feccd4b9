//! Answers that are kept for those who ask the same again, where a model says so.
//!
//! A kept answer is found by the SHA-256 of all that could make another one: whose call it is, the
//! form, the whole request, and the model, its provider and its price as they stand ([`Version`]). So
//! a change of these is nobody's to be told: what was kept before lies under another hash. Who may
//! ask is judged as for any call, before anything is handed out.

mod answers;
mod asked;
mod flight;
mod kept;
mod recording;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, header};
use rust_decimal::Decimal;
use uuid::Uuid;

pub(crate) use answers::{Answers, Place, Turn};
pub(crate) use asked::{Asked, Hash};
pub(crate) use kept::Kept;
pub(crate) use recording::{Recording, Told};

use asked::Parts;

use crate::Price;

/// How long answers are kept where nobody says otherwise.
pub(crate) const USUAL_SECONDS: i32 = 600;
/// The longest that they may be kept: a day.
pub(crate) const MOST_SECONDS: i32 = 86_400;

/// How a model's answers are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caching {
    pub(crate) life: Duration,
    /// The model as it stands.
    pub(crate) version: Hash,
}

/// What an answer depends on beside its request.
pub(crate) struct Version {
    pub(crate) model: (Uuid, DateTime<Utc>),
    pub(crate) provider: Option<(Uuid, DateTime<Utc>)>,
    pub(crate) price: Price,
}

impl Version {
    pub(crate) fn caching(&self, seconds: i32) -> Caching {
        let life = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        Caching { life, version: self.hash() }
    }

    fn hash(&self) -> Hash {
        let mut parts = Parts::default();
        // Another program may read another answer out of the same words.
        parts.add(env!("CARGO_PKG_VERSION"));
        for (id, at) in [Some(self.model), self.provider].into_iter().flatten() {
            parts.add(id).add(at.timestamp_micros().to_be_bytes());
        }
        let Price { input, output, cached_input, cache_write, reasoning, embedding, tiers: _ } =
            self.price;
        for price in [input, output, cached_input, cache_write, reasoning, embedding] {
            parts.add_or_none(bytes_of(price));
        }
        for tier in self.price.tiers() {
            parts.add(tier.above.to_be_bytes());
            for (_, price) in tier.prices() {
                parts.add_or_none(bytes_of(price));
            }
        }
        parts.hash()
    }
}

/// A price, the same however it is written.
fn bytes_of(price: Option<Decimal>) -> Option<[u8; 16]> {
    price.map(|price| price.normalize().serialize())
}

/// What a request says of kept answers, and where its own is noted.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    pub(crate) wish: Wish,
    pub(crate) recording: Option<Recording>,
}

/// What a caller wants of kept answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// Neither to get one nor to leave one.
    Neither,
    /// A new one, which is kept.
    Fresh,
    /// One that is kept, if there is any.
    #[default]
    Any,
}

impl Wish {
    /// As `Cache-Control` says.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::CACHE_CONTROL).iter();
        let words = values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        let wishes = words.map(|word| match word.trim().to_ascii_lowercase().as_str() {
            "no-store" => Self::Neither,
            "no-cache" | "max-age=0" => Self::Fresh,
            _ => Self::Any,
        });
        wishes.min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::PriceTier;

    #[test]
    fn cache_control_says_what_is_wanted() {
        let wish = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CACHE_CONTROL, value.parse().unwrap());
            }
            Wish::of(&headers)
        };
        assert_eq!(wish(&[]), Wish::Any);
        assert_eq!(wish(&["max-age=60"]), Wish::Any);
        assert_eq!(wish(&["No-Cache"]), Wish::Fresh);
        assert_eq!(wish(&["max-age=0"]), Wish::Fresh);
        assert_eq!(wish(&["no-cache, no-store"]), Wish::Neither);
        assert_eq!(wish(&["no-cache", "no-store"]), Wish::Neither);
    }

    #[test]
    fn whatever_of_a_model_changes_makes_another_version() {
        let version = || Version {
            model: (Uuid::from_u128(1), DateTime::UNIX_EPOCH),
            provider: Some((Uuid::from_u128(2), DateTime::UNIX_EPOCH)),
            price: Price { input: Some(1.into()), ..Price::default() },
        };
        let later = DateTime::UNIX_EPOCH + Duration::from_micros(1);
        let mut others = [(); 10].map(|()| version());
        others[0].model.0 = Uuid::from_u128(3);
        others[1].model.1 = later;
        others[2].provider = None;
        others[3].provider = Some((Uuid::from_u128(2), later));
        others[4].price.input = None;
        others[5].price = Price { output: Some(1.into()), ..Price::default() };
        others[6].price.cache_write = Some(1.into());
        others[7].price.reasoning = Some(1.into());
        let tier = |above| PriceTier { above, input_price: Some(2.into()), ..PriceTier::default() };
        others[8].price = version().price.with_tiers(vec![tier(100)]);
        others[9].price = version().price.with_tiers(vec![tier(200)]);
        let hashes: HashSet<Hash> = others.iter().map(Version::hash).collect();
        assert_eq!(hashes.len(), others.len(), "two of them are the same");
        assert!(!hashes.contains(&version().hash()));
        assert_eq!(version().hash(), version().hash());
    }
}
