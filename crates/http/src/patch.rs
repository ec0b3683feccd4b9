use serde::{Deserialize, Deserializer};

/// Tells a member that is `null` (`Some(None)`) from one that is absent (`None`), for PATCH. Goes
/// with `#[serde(default, deserialize_with = "lyceum_http::present")]`.
pub fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
