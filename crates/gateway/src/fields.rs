//! Checks of what people type, and the constraints that say the same.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::GatewayError;

/// An amount of money as a number or, exactly, as a string.
pub(crate) fn money<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Decimal>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(serde_json::Number),
        Text(String),
    }
    let text = match Option::<Written>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Written::Number(number)) => number.to_string(),
        Some(Written::Text(text)) => text,
    };
    let exact = Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text));
    exact.map(Some).map_err(|_| D::Error::custom(format!("'{text}' is not an amount")))
}

/// A name or the like: trimmed, 1 to `limit` characters, none of them a control character.
pub(crate) fn text(field: &str, value: &str, limit: usize) -> Result<String, GatewayError> {
    let value = value.trim();
    if value.is_empty() {
        return Err(GatewayError::invalid(field, "must not be empty"));
    }
    if value.chars().count() > limit {
        return Err(GatewayError::invalid(field, format!("is longer than {limit} characters")));
    }
    match value.chars().any(char::is_control) {
        true => Err(GatewayError::invalid(field, "has control characters")),
        false => Ok(value.to_owned()),
    }
}

/// What a refused write means to the caller. `what` is the object that may not be theirs.
pub(crate) fn refused(error: sqlx::Error, what: &'static str) -> GatewayError {
    let code = error.as_database_error().and_then(|error| error.code());
    if matches!(code.as_deref(), Some("42501" | "23503")) {
        // Row-level security, or no such row: it would not be the caller's.
        return GatewayError::NotFound(what);
    }
    match lyceum_store::constraint(&error) {
        Some(
            "provider_configs_personal_name"
            | "provider_configs_organization_name"
            | "ai_model_configs_personal_name"
            | "ai_model_configs_shared_name",
        ) => GatewayError::NameTaken,
        Some("model_prices_version") => {
            GatewayError::invalid("valid_from", "is that of another version of the price")
        }
        Some("model_route_targets_model") => GatewayError::NotFound("model"),
        Some("ai_model_configs_owner") => GatewayError::NotFound("provider"),
        Some("rate_limits_some") => {
            GatewayError::invalid("requests_per_minute", "one limit at least must be given")
        }
        Some(name) => match column_of(name) {
            Some(column) => GatewayError::invalid(column, "is out of range"),
            None => error.into(),
        },
        None => error.into(),
    }
}

/// The column that a CHECK with PostgreSQL's own name is about.
fn column_of(constraint: &str) -> Option<&str> {
    const TABLES: [&str; 7] = [
        "ai_model_configs_",
        "provider_configs_",
        "model_prices_",
        "model_route_targets_",
        "model_routes_",
        "rate_limits_",
        "user_quotas_",
    ];
    TABLES
        .iter()
        .find_map(|table| constraint.strip_prefix(table))
        .and_then(|rest| rest.strip_suffix("_check"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(text("name", "  a b ", 3).unwrap(), "a b");
        assert_eq!(text("name", "汉字汉", 3).unwrap(), "汉字汉");
        for bad in ["", "  ", "abcd", "a\nb", "a\0"] {
            assert!(text("name", bad, 3).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn check_constraints_name_their_column() {
        assert_eq!(column_of("ai_model_configs_temperature_check"), Some("temperature"));
        assert_eq!(column_of("provider_configs_owner"), None);
    }
}
