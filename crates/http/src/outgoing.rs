use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lyceum_core::{ErrorKind, Problem};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::runtime;
use url::{Host, Url};

/// Which private hosts outgoing requests may reach. An administrator's setting.
#[derive(Clone, Debug, Default)]
pub struct OutgoingPolicy {
    /// Hosts (as written in a URL, with or without `:port`) that may be private, or `*`.
    pub allowed_private_hosts: Vec<String>,
}

impl OutgoingPolicy {
    fn opens(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.');
        self.allowed_private_hosts.iter().any(|allowed| {
            allowed == "*"
                || allowed.eq_ignore_ascii_case(host)
                || port.is_some_and(|port| allowed.eq_ignore_ascii_case(&format!("{host}:{port}")))
        })
    }
}

/// The address is one that outgoing requests must not reach.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// Not `http` or `https`, or without a host, or with a password inside.
    #[error("the address must be http or https with a host and without credentials")]
    BadUrl,
    /// The host is or resolves to a private address.
    #[error("the address leads to a private network; an administrator can allow the host {0}")]
    PrivateAddress(String),
    /// The client could not be made.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
    /// The system's certificates could not be read.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl Problem for OutgoingError {
    fn kind(&self) -> ErrorKind {
        match self {
            OutgoingError::Client(_) | OutgoingError::Tls(_) => ErrorKind::Internal,
            _ => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            OutgoingError::BadUrl => "invalid_address",
            OutgoingError::PrivateAddress(_) => "private_address",
            OutgoingError::Client(_) | OutgoingError::Tls(_) => "internal",
        }
    }

    fn detail(&self) -> String {
        self.to_string()
    }
}

/// The one client for requests to hosts that people name. Resolves, judges every address, and
/// connects to the very address that was judged; follows no redirect and reads no proxy setting.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Connect to public addresses only.
    strict: Clients,
    /// For the hosts and ports that an administrator opened.
    open: Clients,
    policy: Arc<OutgoingPolicy>,
}

impl Outgoing {
    /// A client under the given policy. Connecting takes at most 10 s.
    pub fn new(policy: OutgoingPolicy) -> Result<Self, OutgoingError> {
        // Reads the system's certificates, so once for all clients.
        let tls = ClientConfig::with_platform_verifier().map_err(OutgoingError::Tls)?;
        Ok(Self {
            strict: Clients::new(JudgingResolver { open: false }, &tls)?,
            open: Clients::new(JudgingResolver { open: true }, &tls)?,
            policy: Arc::new(policy),
        })
    }

    /// Judges the address as far as it can be without asking DNS. Call it when a person enters an
    /// address; [`Outgoing::request`] does it again at every use.
    pub fn judge(&self, url: &Url) -> Result<(), OutgoingError> {
        if !matches!(url.scheme(), "http" | "https")
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(OutgoingError::BadUrl);
        }
        let literal = match url.host() {
            None => return Err(OutgoingError::BadUrl),
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                let local = name == "localhost" || name.ends_with(".localhost");
                return match local && !self.policy.opens(&name, url.port_or_known_default()) {
                    true => Err(OutgoingError::PrivateAddress(name)),
                    false => Ok(()),
                };
            }
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        if is_public(literal) || self.policy.opens(&host, url.port_or_known_default()) {
            Ok(())
        } else {
            Err(OutgoingError::PrivateAddress(host))
        }
    }

    /// A request to a judged address.
    pub fn request(
        &self,
        method: http::Method,
        url: Url,
    ) -> Result<reqwest::RequestBuilder, OutgoingError> {
        self.judge(&url)?;
        let host = url.host_str().unwrap_or_default();
        let client = match self.policy.opens(host, url.port_or_known_default()) {
            true => &self.open,
            false => &self.strict,
        };
        Ok(client.current().request(method, url))
    }
}

/// A client for each of the program's runtimes: a connection is driven by the runtime that opened it,
/// and a call that stays on one thread takes its answer there.
#[derive(Clone, Debug)]
struct Clients {
    resolver: JudgingResolver,
    tls: ClientConfig,
    /// That of the runtime in which they were set up.
    first: (Option<runtime::Id>, reqwest::Client),
    others: Arc<RwLock<HashMap<runtime::Id, reqwest::Client>>>,
}

impl Clients {
    fn new(resolver: JudgingResolver, tls: &ClientConfig) -> Result<Self, OutgoingError> {
        let first = client(resolver, tls.clone()).map_err(OutgoingError::Client)?;
        let (first, others) = ((current_runtime(), first), Arc::default());
        Ok(Self { resolver, tls: tls.clone(), first, others })
    }

    /// That of the runtime in which this is called.
    fn current(&self) -> reqwest::Client {
        let (owner, first) = &self.first;
        let Some(other) = current_runtime().filter(|current| Some(*current) != *owner) else {
            return first.clone();
        };
        let found = self.others.read().unwrap_or_else(PoisonError::into_inner).get(&other).cloned();
        found.unwrap_or_else(|| self.make(other))
    }

    fn make(&self, runtime: runtime::Id) -> reqwest::Client {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let made = others.entry(runtime).or_insert_with(|| {
            client(self.resolver, self.tls.clone()).unwrap_or_else(|error| {
                tracing::error!(%error, "a thread has no HTTP client of its own");
                self.first.1.clone()
            })
        });
        made.clone()
    }
}

fn current_runtime() -> Option<runtime::Id> {
    runtime::Handle::try_current().ok().map(|runtime| runtime.id())
}

fn client(resolver: JudgingResolver, tls: ClientConfig) -> reqwest::Result<reqwest::Client> {
    #[expect(clippy::disallowed_methods, reason = "this is the outgoing client")]
    let builder = reqwest::Client::builder();
    builder
        .dns_resolver(Arc::new(resolver))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        // Each runtime keeps its own, so that they are used less often than one for all would be.
        .pool_idle_timeout(Duration::from_secs(90))
        .tls_backend_preconfigured(tls)
        .tcp_nodelay(true)
        .user_agent(concat!("lyceum/", env!("CARGO_PKG_VERSION")))
        .build()
}

#[derive(Clone, Copy, Debug)]
struct JudgingResolver {
    /// Whether private addresses may be connected to: the host and port were opened.
    open: bool,
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let open = self.open;
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let judged: Vec<SocketAddr> =
                found.filter(|address| open || is_public(address.ip())).collect();
            if judged.is_empty() {
                return Err(Box::new(OutgoingError::PrivateAddress(host)) as _);
            }
            Ok(Box::new(judged.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public Internet (RFC 6890 and what was added since).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = matches!(
                (a, b, c),
                (0, ..)
                    | (10, ..)
                    | (100, 64..=127, _)
                    | (127, ..)
                    | (169, 254, _)
                    | (172, 16..=31, _)
                    | (192, 0, 0)
                    | (192, 0, 2)
                    | (192, 88, 99)
                    | (192, 168, _)
                    | (198, 18..=19, _)
                    | (198, 51, 100)
                    | (203, 0, 113)
                    | (224..=255, ..)
            );
            !special
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = embedded_v4(v6) {
                return is_public(IpAddr::V4(v4));
            }
            let s = v6.segments();
            let global_unicast = (s[0] & 0xe000) == 0x2000;
            let documentation = (s[0] == 0x2001 && s[1] == 0x0db8) || s[0] == 0x3fff;
            let protocol = s[0] == 0x2001 && s[1] < 0x0200;
            global_unicast && !documentation && !protocol
        }
    }
}

/// The IPv4 address inside a mapped, compatible, NAT64 or 6to4 IPv6 address.
fn embedded_v4(v6: std::net::Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let s = v6.segments();
    let v4 =
        |high: u16, low: u16| std::net::Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &[&str], url: &str) -> bool {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allowed_private_hosts = policy.iter().map(|&host| host.to_owned()).collect();
        let outgoing = Outgoing::new(OutgoingPolicy { allowed_private_hosts }).unwrap();
        outgoing.judge(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn private_addresses_are_refused_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://0/",
            "http://10.1.2.3/",
            "http://169.254.169.254/latest",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://100.64.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://user:pass@example.com/",
        ] {
            assert!(!judge(&[], url), "{url}");
        }
    }

    #[test]
    fn public_addresses_pass() {
        for url in ["https://api.openai.com/v1", "http://1.1.1.1/", "http://[2606:4700::1111]/"] {
            assert!(judge(&[], url), "{url}");
        }
    }

    #[test]
    fn an_administrator_opens_single_hosts_and_ports() {
        assert!(judge(&["127.0.0.1:8080"], "http://127.0.0.1:8080/v1"));
        assert!(!judge(&["127.0.0.1:8080"], "http://127.0.0.1:5432/"));
        assert!(judge(&["localhost"], "http://localhost:1/"));
        assert!(judge(&["*"], "http://10.0.0.1/"));
        assert!(judge(&["[::1]:8080"], "http://[::1]:8080/"));
    }

    #[test]
    fn each_runtime_has_connections_of_its_own() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let new = || runtime::Builder::new_current_thread().build().unwrap();
        let (one, other) = (new(), new());
        let outgoing = one.block_on(async { Outgoing::new(OutgoingPolicy::default()).unwrap() });
        let known = || outgoing.strict.others.read().unwrap().len();
        for (runtime, others) in [(&one, 0), (&other, 1), (&other, 1), (&one, 1)] {
            runtime.block_on(async { outgoing.strict.current() });
            assert_eq!(known(), others);
        }
    }

    #[tokio::test]
    async fn a_rule_with_a_port_opens_no_other_port_of_a_name() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allowed_private_hosts = vec!["localhost.localdomain:8080".to_owned()];
        let outgoing = Outgoing::new(OutgoingPolicy { allowed_private_hosts }).unwrap();
        let opens = |port| outgoing.policy.opens("localhost.localdomain", Some(port));
        assert!(opens(8080));
        assert!(!opens(5432));
        // The strict client, which takes all other ports, refuses a private answer of DNS.
        let strict = JudgingResolver { open: false };
        assert!(strict.resolve("localhost".parse().unwrap()).await.is_err());
        let open = JudgingResolver { open: true };
        assert!(open.resolve("localhost".parse().unwrap()).await.is_ok());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused() {
        let resolver = JudgingResolver { open: false };
        let answer = resolver.resolve("localhost".parse().unwrap()).await;
        assert!(answer.is_err());
    }
}
