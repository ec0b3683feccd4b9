//! Where settings come from.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use super::Config;

/// Variables that OpenTelemetry's programs have in common, and our settings that they go over.
const OPENTELEMETRY: [(&str, &str); 5] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "telemetry.otlp_traces_endpoint"),
    ("OTEL_SERVICE_NAME", "telemetry.service_name"),
    ("OTEL_TRACES_SAMPLER", "telemetry.sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "telemetry.sample_ratio"),
];

/// Variables of ours whose text is taken as it stands: a password of digits is no number.
const AS_TEXT: [(&str, &str); 3] = [
    ("LYCEUM_MAIL__PASSWORD", "mail.password"),
    ("LYCEUM_TELEMETRY__OTLP_HEADERS", "telemetry.otlp_headers"),
    ("LYCEUM_TELEMETRY__SERVICE_NAME", "telemetry.service_name"),
];

impl Config {
    /// Reads the configuration and says where each part came from.
    pub fn figment(file: Option<&Path>) -> Figment {
        let defaults = Serialized::defaults(Self::default());
        let mut figment = Figment::from(Stated { source: "default".to_owned(), of: defaults });
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment
            .merge(Env::raw().only(&["DATABASE_URL"]).map(|_| "database.url".into()))
            .merge(Env::raw().only(&["POSTGRES_BIN"]).map(|_| "database.binaries".into()))
            .merge(Env::raw().only(&["LYCEUM_MODELS"]).map(|_| "engine.models_dir".into()));
        for (variable, setting) in OPENTELEMETRY {
            figment = with_text(figment, variable, setting);
        }
        figment = figment.merge(
            // A setting's name always has its section; other variables of ours are no settings.
            Env::prefixed("LYCEUM_").filter(|name| name.as_str().contains("__")).split("__"),
        );
        for (variable, setting) in AS_TEXT {
            figment = with_text(figment, variable, setting);
        }
        figment
    }
}

/// The setting from a variable, if that says anything.
fn with_text(figment: Figment, variable: &str, setting: &str) -> Figment {
    let Some(text) = std::env::var(variable).ok().filter(|text| !text.is_empty()) else {
        return figment;
    };
    let source = format!("`{variable}` environment variable");
    match (setting, text.parse::<f64>()) {
        ("telemetry.sample_ratio", Ok(ratio)) => figment.merge(stated(source, setting, ratio)),
        _ => figment.merge(stated(source, setting, text)),
    }
}

/// Reads an address with its port; what is none, such as a port alone, is told how one looks.
pub(super) fn socket_address<'de, D>(deserializer: D) -> Result<SocketAddr, D::Error>
where
    D: Deserializer<'de>,
{
    struct Address;

    impl Visitor<'_> for Address {
        type Value = SocketAddr;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an IP address and a port such as 127.0.0.1:8080")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
            text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Address)
}

/// A setting and what it is said to come from.
pub fn stated<T: Serialize>(source: impl Into<String>, setting: &str, value: T) -> impl Provider {
    Stated { source: source.into(), of: Serialized::default(setting, value) }
}

/// What is in the program, under a name that a person understands instead of that of its type.
struct Stated<T> {
    source: String,
    of: Serialized<T>,
}

impl<T: Serialize> Provider for Stated<T> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        self.of.data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_named_after_where_it_comes_from() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 1));
        let figment = Figment::from(Stated {
            source: "default".to_owned(),
            of: Serialized::defaults(Config::default()),
        })
        .merge(stated("`--listen`", "server.listen", listen));
        let source = |name: &str| figment.find_metadata(name).unwrap().name.to_string();
        assert_eq!(source("server.listen"), "`--listen`");
        assert_eq!(source("server.trust_proxy"), "default");
        assert_eq!(Config::extract(&figment).unwrap().server.listen, listen);
    }
}
