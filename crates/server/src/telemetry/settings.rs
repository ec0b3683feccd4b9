//! From what is set to what OpenTelemetry's parts want.

use std::collections::HashMap;

use anyhow::Context as _;
use http::{HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::Sampler;
use url::Url;

use super::{SamplerKind, TelemetryConfig};

/// The address for traces; none where they are not wanted.
pub(super) fn collector(config: &TelemetryConfig) -> anyhow::Result<Option<Url>> {
    let says = |name: &str, word: &str| {
        std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case(word))
    };
    if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    let given = |address: &Option<String>| address.clone().filter(|address| !address.is_empty());
    let (setting, address) =
        match (given(&config.otlp_traces_endpoint), given(&config.otlp_endpoint)) {
            (Some(whole), _) => ("telemetry.otlp_traces_endpoint", whole),
            (None, Some(base)) => {
                ("telemetry.otlp_endpoint", format!("{}/v1/traces", base.trim_end_matches('/')))
            }
            (None, None) => return Ok(None),
        };
    let url = Url::parse(&address).ok().filter(|url| {
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        matches!(url.scheme(), "http" | "https") && url.has_host() && !has_credentials
    });
    let url = url.with_context(|| {
        format!("{setting} is not an address like http://localhost:4318, without credentials")
    })?;
    Ok(Some(url))
}

/// `name=value,name=value`, the values with `%`-escapes, as in OpenTelemetry's variables.
pub(super) fn headers(text: &str) -> anyhow::Result<HashMap<String, String>> {
    let mut headers = HashMap::new();
    for (index, pair) in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).enumerate()
    {
        let header = pair.split_once('=').and_then(|(name, value)| {
            let name = HeaderName::try_from(name.trim()).ok()?;
            let value = unescaped(value.trim())?;
            HeaderValue::from_str(&value).ok()?;
            Some((name.to_string(), value))
        });
        // Its text is a secret.
        let (name, value) = header.with_context(|| {
            format!("telemetry.otlp_headers: entry {} is not name=value", index + 1)
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The text with its `%`-escapes resolved.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn sampler(config: &TelemetryConfig) -> anyhow::Result<Sampler> {
    let ratio = config.sample_ratio;
    anyhow::ensure!((0.0..=1.0).contains(&ratio), "telemetry.sample_ratio must be from 0 to 1");
    let by_parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
    Ok(match config.sampler {
        SamplerKind::AlwaysOn => Sampler::AlwaysOn,
        SamplerKind::AlwaysOff => Sampler::AlwaysOff,
        SamplerKind::Traceidratio => Sampler::TraceIdRatioBased(ratio),
        SamplerKind::ParentbasedAlwaysOn => by_parent(Sampler::AlwaysOn),
        SamplerKind::ParentbasedAlwaysOff => by_parent(Sampler::AlwaysOff),
        SamplerKind::ParentbasedTraceidratio => by_parent(Sampler::TraceIdRatioBased(ratio)),
    })
}

/// What every span says of the program. `OTEL_RESOURCE_ATTRIBUTES` goes over it, a configured name of
/// the service over that.
pub(super) fn resource(config: &TelemetryConfig, node: &str) -> Resource {
    let own = [
        KeyValue::new("service.name", "lyceum"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", node.to_owned()),
    ];
    let resource = Resource::builder_empty()
        .with_attributes(own)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match config.service_name.clone().filter(|name| !name.is_empty()) {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_in_the_variable_and_told_by_their_place() {
        let read = headers("authorization=Bearer%20a%3Db, x-team = one ,").unwrap();
        assert_eq!(read["authorization"], "Bearer a=b");
        assert_eq!(read["x-team"], "one");
        for wrong in ["a=b,secret", "a=b,x y=secret", "a=b,x=secret%2", "a=b,x=secret%0A"] {
            let error = headers(wrong).unwrap_err().to_string();
            assert!(error.contains("entry 2") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_is_completed_and_judged() {
        let of = |endpoint: &str| {
            let config = TelemetryConfig {
                otlp_endpoint: Some(endpoint.to_owned()),
                ..TelemetryConfig::default()
            };
            collector(&config)
        };
        assert_eq!(of("http://c:4318/").unwrap().unwrap().as_str(), "http://c:4318/v1/traces");
        assert_eq!(of("https://c/otlp").unwrap().unwrap().as_str(), "https://c/otlp/v1/traces");
        assert!(of("").unwrap().is_none());
        for wrong in ["localhost:4318", "grpc://c:4317", "http://user:key@c", "http://:key@c"] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(
                error.contains("telemetry.otlp_endpoint") && !error.contains("key@"),
                "{error}"
            );
        }
    }
}
