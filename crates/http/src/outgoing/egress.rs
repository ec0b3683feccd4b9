//! The way out that a company's network asks for: its proxy, and its authorities.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;
use lyceum_core::Secret;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::{ConfigVerifierExt as _, Verifier};
use url::{Host, Url};

use super::clients::Proxy;
use super::{OutgoingError, address};

/// How outgoing requests leave the network. An administrator's settings.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// An `http` or `https` proxy, with user and password in the address where it wants them.
    pub proxy: Option<Secret>,
    /// What is reached without it: names of hosts and of domains with all below them, addresses, and
    /// networks (`10.0.0.0/8`). Private hosts that were allowed by name are, too.
    pub no_proxy: Vec<String>,
    /// Certificates in PEM of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl Egress {
    pub(super) fn tls(&self) -> Result<ClientConfig, OutgoingError> {
        match &self.ca_file {
            None => ClientConfig::with_platform_verifier().map_err(OutgoingError::Tls),
            Some(path) => trusting(path)
                .map_err(|reason| OutgoingError::Authorities { path: path.clone(), reason }),
        }
    }

    pub(super) fn proxy(&self) -> Result<Option<Proxy>, OutgoingError> {
        let Some(address) = self.proxy.clone() else { return Ok(None) };
        match judge_proxy(address.expose()) {
            Ok(host) => Ok(Some(Proxy { host: host.into(), address })),
            Err(reason) => Err(OutgoingError::Proxy(reason)),
        }
    }

    pub(super) fn direct(&self) -> Result<Arc<[Direct]>, OutgoingError> {
        let read = |text: &String| {
            Direct::read(text.trim()).ok_or_else(|| OutgoingError::NoProxy(text.clone()))
        };
        self.no_proxy.iter().map(read).collect()
    }
}

/// TLS that trusts the system's authorities and those in the file.
fn trusting(path: &Path) -> Result<ClientConfig, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    let builder = ClientConfig::builder();
    let verifier =
        Verifier::new_with_extra_roots(certificates, Arc::clone(builder.crypto_provider()))
            .map_err(|error| error.to_string())?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// The host of a proxy's address. What is wrong with one is said without it: it may hold a password.
fn judge_proxy(address: &str) -> Result<String, &'static str> {
    let url = Url::parse(address)
        .map_err(|_| "is no address like http://user:password@proxy.example.org:3128")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://");
    }
    // A password with a bare / or # ends up there, and a part of it as the host.
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(
            "must end with the host and its port; in user and password, write %2F for /, %3F for ? \
             and %23 for #",
        );
    }
    url.host_str().map(str::to_owned).ok_or("names no host")
}

/// What is reached without the proxy.
#[derive(Clone, Debug)]
pub(super) enum Direct {
    /// A host, and all below it.
    Name(String),
    /// Addresses, as far as they are written as such: names are not looked up for it.
    Network(IpNet),
}

impl Direct {
    fn read(text: &str) -> Option<Self> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Network(address.into()));
        }
        if let Ok(network) = text.parse() {
            return Some(Self::Network(network));
        }
        let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
        match Host::parse(name.trim_end_matches('.')).ok()? {
            Host::Domain(name) if !name.contains('*') => Some(Self::Name(name)),
            _ => None,
        }
    }

    pub(super) fn has(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Name(parent), Host::Domain(name)) => address::is_below(name, parent),
            (Self::Network(network), Host::Ipv4(address)) => {
                network.contains(&IpAddr::V4(*address))
            }
            (Self::Network(network), Host::Ipv6(address)) => {
                network.contains(&IpAddr::V6(*address))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(proxy: &str) -> Egress {
        Egress { proxy: Some(Secret::new(proxy)), ..Egress::default() }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_showing_it() {
        for address in [
            "",
            "proxy.example.org:3128",
            "socks5://hunter2@proxy.example.org",
            "http://user:hunter2/3@proxy.example.org:3128",
            "http://user:1/hunter2@proxy.example.org:3128",
            "http://user:1#hunter2@proxy.example.org:3128",
            "http://user:1?hunter2@proxy.example.org:3128",
            "http://",
        ] {
            let refusal = of(address).proxy().unwrap_err().to_string();
            assert!(refusal.starts_with("outgoing.proxy "), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
        for (address, host) in [
            ("http://proxy.example.org:3128", "proxy.example.org"),
            ("https://user:hunter2%2F3@Proxy.example.org/", "proxy.example.org"),
            ("http://10.0.0.1:3128", "10.0.0.1"),
        ] {
            let proxy = of(address).proxy().unwrap().unwrap();
            assert_eq!(&*proxy.host, host);
            assert!(!format!("{proxy:?} {:?}", of(address)).contains("hunter2"));
        }
    }

    #[test]
    fn hosts_without_the_proxy_are_names_domains_addresses_and_networks() {
        for (text, inside, outside) in [
            ("example.org", "http://a.Example.org/", "http://an-example.org/"),
            (".example.org", "http://example.org./", "http://example.org.evil.test/"),
            ("*.example.org", "http://a.b.example.org/", "http://org/"),
            ("10.0.0.0/8", "http://10.1.2.3/", "http://11.0.0.1/"),
            ("192.0.2.1", "http://192.0.2.1/", "http://192.0.2.2/"),
            ("2001:db8::/32", "http://[2001:db8::1]/", "http://[2001:db9::1]/"),
            ("[::1]", "http://[::1]/", "http://[::2]/"),
        ] {
            let direct = Direct::read(text).unwrap();
            let has = |url: &str| direct.has(&Url::parse(url).unwrap().host().unwrap());
            assert!(has(inside), "{text}: {inside}");
            assert!(!has(outside), "{text}: {outside}");
        }
        for text in ["", "*", "10.0.0.0/33", "http://example.org", "example.org:443", "a b"] {
            let egress = Egress { no_proxy: vec![text.to_owned()], ..Egress::default() };
            let refusal = egress.direct().unwrap_err().to_string();
            assert!(refusal.starts_with("outgoing.no_proxy "), "{refusal}");
        }
    }

    #[test]
    fn a_file_of_authorities_that_holds_none_is_refused_by_its_name() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let missing = PathBuf::from("/nowhere/authority.pem");
        // Of the package, which tests run in.
        let text = PathBuf::from("Cargo.toml");
        for (path, reason) in [(&missing, "No such file"), (&text, "holds no certificate")] {
            let egress = Egress { ca_file: Some(path.clone()), ..Egress::default() };
            let refusal = egress.tls().unwrap_err().to_string();
            let name = format!("outgoing.ca_file {}: ", path.display());
            assert!(refusal.starts_with(&name) && refusal.contains(reason), "{refusal}");
        }
    }
}
