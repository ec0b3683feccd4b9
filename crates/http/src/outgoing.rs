mod address;
mod clients;
mod connections;
mod egress;
mod tunnel;

use std::path::PathBuf;
use std::sync::Arc;

use lyceum_core::{ErrorKind, Problem};
use url::Url;

use clients::{Clients, Reach};
pub use connections::SendError;
pub use egress::Egress;

/// Which private hosts outgoing requests may reach. An administrator's setting.
#[derive(Clone, Debug, Default)]
pub struct OutgoingPolicy {
    /// Hosts (as written in a URL, with or without `:port`) that may be private, or `*`.
    pub allowed_private_hosts: Vec<String>,
}

impl OutgoingPolicy {
    fn opens(&self, host: &str, port: Option<u16>) -> bool {
        self.allowed_private_hosts.iter().any(|allowed| allowed == "*") || self.names(host, port)
    }

    fn names(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.');
        self.allowed_private_hosts.iter().any(|allowed| {
            allowed.eq_ignore_ascii_case(host)
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
    #[error(
        "the address leads to a private network; whoever runs Lyceum can allow the host {0} with \
         the setting outgoing.allowed_private_hosts (LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS)"
    )]
    PrivateAddress(String),
    /// The setting of the proxy names none.
    #[error("outgoing.proxy {0}")]
    Proxy(&'static str),
    /// A host that is to be reached without the proxy is none.
    #[error(
        "outgoing.no_proxy has \"{0}\", which is neither the name of a host or a domain, nor an \
         address, nor a network like 10.0.0.0/8"
    )]
    NoProxy(String),
    /// The further authorities that are to be trusted cannot be.
    #[error("outgoing.ca_file {}: {reason}", path.display())]
    Authorities {
        /// Where they are.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
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
            OutgoingError::BadUrl | OutgoingError::PrivateAddress(_) => ErrorKind::Invalid,
            // At the start, where nobody has asked yet.
            _ => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            OutgoingError::BadUrl => "invalid_address",
            OutgoingError::PrivateAddress(_) => "private_address",
            _ => "internal",
        }
    }

    fn detail(&self) -> String {
        self.to_string()
    }
}

/// The one client for requests to hosts that people name. Resolves, judges every address, and
/// connects to the very address that was judged; follows no redirect, and knows no other proxy than
/// that of its [`Egress`], never the environment's.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Connect to public addresses only.
    strict: Clients,
    /// For the hosts and ports that an administrator opened.
    open: Clients,
    /// Through the proxy, where there is one: for all hosts but those that were opened and those of
    /// `direct`.
    proxied: Option<Clients>,
    direct: Arc<[egress::Direct]>,
    policy: Arc<OutgoingPolicy>,
}

impl Outgoing {
    /// A client under the given policy. Connecting takes at most 10 s.
    pub fn new(policy: OutgoingPolicy) -> Result<Self, OutgoingError> {
        Self::through(policy, &Egress::default())
    }

    /// The same by a way out of its own.
    pub fn through(policy: OutgoingPolicy, egress: &Egress) -> Result<Self, OutgoingError> {
        // Reads the system's certificates, so once for all clients.
        let tls = egress.tls()?;
        let proxied = match egress.proxy()? {
            Some(proxy) => Some(Clients::new(Reach::Proxy(proxy), &tls)?),
            None => None,
        };
        Ok(Self {
            strict: Clients::new(Reach::Public, &tls)?,
            open: Clients::new(Reach::Everything, &tls)?,
            proxied,
            direct: egress.direct()?,
            policy: Arc::new(policy),
        })
    }

    /// Judges the address as far as it can be without asking DNS. Call it when a person enters an
    /// address; [`Outgoing::request`] and [`Outgoing::send`] do it again at every use.
    pub fn judge(&self, url: &Url) -> Result<(), OutgoingError> {
        // As with a placeholder that was not filled in: a URL may have signs that HTTP does not take.
        http::Uri::try_from(url.as_str()).map_err(|_| OutgoingError::BadUrl)?;
        self.way(url).map(drop)
    }

    /// A request to an address that is judged here, to be sent by the request's own `send`.
    pub fn request(
        &self,
        method: http::Method,
        url: Url,
    ) -> Result<reqwest::RequestBuilder, OutgoingError> {
        Ok(self.way(&url)?.current().reqwest.request(method, url))
    }

    /// Sends a request whose address is judged here, and waits for the head of the answer. It costs less
    /// than [`Outgoing::request`]'s way to be sent; limits of time beyond connecting are the caller's.
    pub async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, SendError> {
        let way =
            self.way(request.url()).map_err(|refused| SendError::Connecting(refused.into()))?;
        way.current().send(request).await
    }

    /// The clients that the address is reached by, if it may be reached.
    fn way(&self, url: &Url) -> Result<&Clients, OutgoingError> {
        if !matches!(url.scheme(), "http" | "https")
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(OutgoingError::BadUrl);
        }
        let (Some(host), Some(name)) = (url.host(), url.host_str()) else {
            return Err(OutgoingError::BadUrl);
        };
        let port = url.port_or_known_default();
        let opened = self.policy.opens(name, port);
        let proxied = self.proxied.as_ref().filter(|_| {
            !self.policy.names(name, port) && !self.direct.iter().any(|direct| direct.has(&host))
        });
        // A proxy looks names up by itself, so that no address of theirs can be judged here.
        let private =
            address::is_private(&host) || proxied.is_some() && address::is_internal(&host);
        match (private, opened, proxied) {
            (true, false, _) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                Err(OutgoingError::PrivateAddress(name))
            }
            (true, true, _) | (false, true, None) => Ok(&self.open),
            (false, false, None) => Ok(&self.strict),
            (false, _, Some(proxied)) => Ok(proxied),
        }
    }
}

#[cfg(test)]
mod tests {
    use lyceum_core::Secret;
    use reqwest::dns::Resolve as _;

    use super::clients::JudgingResolver;
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
            "https://{resource}.example.com/",
        ] {
            assert!(!judge(&[], url), "{url}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_setting_that_opens_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let outgoing = Outgoing::new(OutgoingPolicy::default()).unwrap();
        for (url, host) in
            [("http://10.0.0.7:11434/v1", "10.0.0.7"), ("http://LOCALHOST./", "localhost")]
        {
            let refusal = outgoing.judge(&Url::parse(url).unwrap()).unwrap_err();
            assert_eq!(refusal.code(), "private_address");
            for words in [
                format!("allow the host {host} ").as_str(),
                "outgoing.allowed_private_hosts",
                "LYCEUM_OUTGOING__ALLOWED_PRIVATE_HOSTS",
            ] {
                assert!(refusal.detail().contains(words), "{}", refusal.detail());
            }
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

    fn through_a_proxy(allowed: &[&str], no_proxy: &[&str]) -> Outgoing {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let policy = OutgoingPolicy { allowed_private_hosts: texts(allowed) };
        let proxy = Some(Secret::new("http://user:hunter2@10.0.0.1:3128"));
        let egress = Egress { proxy, no_proxy: texts(no_proxy), ca_file: None };
        Outgoing::through(policy, &egress).unwrap()
    }

    /// How an address is reached, if it is.
    fn way(outgoing: &Outgoing, url: &str) -> Option<&'static str> {
        let way = outgoing.way(&Url::parse(url).unwrap()).ok()?;
        Some(match way.reach {
            Reach::Public => "directly",
            Reach::Everything => "opened",
            Reach::Proxy(_) => "proxy",
        })
    }

    #[test]
    fn all_goes_through_the_proxy_but_what_is_named() {
        let allowed = ["10.0.0.7:11434", "ollama.corp"];
        let outgoing = through_a_proxy(&allowed, &["example.org", "1.1.1.0/24", "models.lan"]);
        for (url, expected) in [
            ("https://api.openai.com/v1", Some("proxy")),
            ("http://api.openai.com/v1", Some("proxy")),
            ("http://8.8.8.8/", Some("proxy")),
            ("https://api.example.org/", Some("directly")),
            ("https://1.1.1.1/", Some("directly")),
            ("http://10.0.0.7:11434/", Some("opened")),
            ("http://ollama.corp:8000/", Some("opened")),
            // Its address is judged when it is looked up here.
            ("http://models.lan/", Some("directly")),
            ("http://10.0.0.8/", None),
            // Nor may it be reached itself, although it is in the way of everything.
            ("http://10.0.0.1:3128/", None),
        ] {
            assert_eq!(way(&outgoing, url), expected, "{url}");
        }
        assert!(!format!("{outgoing:?}").contains("hunter2"));
    }

    #[test]
    fn the_proxy_is_asked_for_no_name_of_a_private_network() {
        let outgoing = through_a_proxy(&[], &[]);
        for url in [
            "http://127.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://localhost/",
            "http://intranet/",
            "http://intranet./",
            "http://metadata.google.internal/",
            "http://printer.local/",
            "http://wiki.corp/",
            "http://qdrant.default.svc/",
        ] {
            assert_eq!(way(&outgoing, url), None, "{url}");
        }
        // Where everything is opened, these are where the program is, not where the proxy is.
        let outgoing = through_a_proxy(&["*"], &[]);
        assert_eq!(way(&outgoing, "http://intranet/"), Some("opened"));
        assert_eq!(way(&outgoing, "http://10.0.0.1/"), Some("opened"));
        assert_eq!(way(&outgoing, "https://api.openai.com/"), Some("proxy"));
    }

    #[tokio::test]
    async fn what_is_sent_is_judged_by_its_address() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let outgoing = Outgoing::new(OutgoingPolicy::default()).unwrap();
        let request = reqwest::Request::new(http::Method::GET, url);
        let Err(SendError::Connecting(refused)) = outgoing.send(request).await else {
            panic!("it was sent, or failed on its way");
        };
        let refused = refused.downcast::<OutgoingError>().unwrap();
        assert!(matches!(*refused, OutgoingError::PrivateAddress(_)), "{refused}");
        let accepted =
            tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept());
        assert!(accepted.await.is_err(), "somebody connected");
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
        let strict = JudgingResolver(Reach::Public);
        assert!(strict.resolve("localhost".parse().unwrap()).await.is_err());
        let open = JudgingResolver(Reach::Everything);
        assert!(open.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
