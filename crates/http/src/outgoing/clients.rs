//! The HTTP clients behind [`super::Outgoing`], and what each may connect to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lyceum_core::{BoxError, Secret};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use tokio::runtime;

use super::connections::Connections;
use super::{OutgoingError, SendError, address, tunnel};

/// How long it may take to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody uses. Each runtime keeps its own, so that they are used
/// less often than one for all would be.
pub(super) const IDLE: Duration = Duration::from_secs(90);
/// How soon, and how often, a connection on which nothing is heard is asked for a sign of life: a model
/// may think for minutes, and what stands between forgets a connection on which nothing passes.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often in vain, until it counts as broken.
pub(super) const SIGNS: u32 = 3;
/// How long what was sent may stay unconfirmed.
pub(super) const UNCONFIRMED: Duration = Duration::from_secs(30);
/// Who asks, where the request does not say.
pub(super) const AGENT: &str = concat!("lyceum/", env!("CARGO_PKG_VERSION"));

/// A client for each of the program's runtimes: a connection is driven by the runtime that opened it,
/// and a call that stays on one thread takes its answer there.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) reach: Reach,
    tls: ClientConfig,
    /// That of the runtime in which they were set up.
    first: (Option<runtime::Id>, Arc<Client>),
    others: Arc<RwLock<HashMap<runtime::Id, Arc<Client>>>>,
}

/// What requests are made with.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) reqwest: reqwest::Client,
    /// Where there is no proxy, for the requests of calls.
    connections: Option<Connections>,
}

impl Client {
    fn new(reach: &Reach, tls: &ClientConfig) -> reqwest::Result<Arc<Self>> {
        let direct = !matches!(reach, Reach::Proxy(_));
        Ok(Arc::new(Self {
            reqwest: client(reach, tls.clone())?,
            connections: direct.then(|| Connections::new(reach, tls.clone())),
        }))
    }

    /// Sends a request to an address that was judged.
    pub(super) async fn send(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, SendError> {
        match &self.connections {
            Some(connections) => connections.send(request).await,
            None => Ok(self.reqwest.execute(request).await?),
        }
    }
}

impl Clients {
    pub(super) fn new(reach: Reach, tls: &ClientConfig) -> Result<Self, OutgoingError> {
        let first = Client::new(&reach, tls).map_err(OutgoingError::Client)?;
        let (first, others) = ((current_runtime(), first), Arc::default());
        Ok(Self { reach, tls: tls.clone(), first, others })
    }

    /// That of the runtime in which this is called.
    pub(super) fn current(&self) -> Arc<Client> {
        let (owner, first) = &self.first;
        let Some(other) = current_runtime().filter(|current| Some(*current) != *owner) else {
            return first.clone();
        };
        let found = self.others.read().unwrap_or_else(PoisonError::into_inner).get(&other).cloned();
        found.unwrap_or_else(|| self.make(other))
    }

    fn make(&self, runtime: runtime::Id) -> Arc<Client> {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        let made = others.entry(runtime).or_insert_with(|| {
            Client::new(&self.reach, &self.tls).unwrap_or_else(|error| {
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

fn client(reach: &Reach, tls: ClientConfig) -> reqwest::Result<reqwest::Client> {
    #[expect(clippy::disallowed_methods, reason = "this is the outgoing client")]
    let builder = reqwest::Client::builder().no_proxy();
    let builder = match reach {
        Reach::Public | Reach::Everything => builder.connect_timeout(CONNECT),
        Reach::Proxy(proxy) => builder
            .proxy(reqwest::Proxy::all(proxy.address.expose())?)
            .connector_layer(tunnel::Explaining),
    };
    builder
        .dns_resolver(Arc::new(JudgingResolver(reach.clone())))
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEP_ALIVE)
        .tcp_keepalive_interval(KEEP_ALIVE)
        .tcp_keepalive_retries(SIGNS)
        .tcp_user_timeout(UNCONFIRMED)
        .tls_backend_preconfigured(tls)
        .tcp_nodelay(true)
        .user_agent(AGENT)
        .build()
}

/// What a client connects to.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// Public addresses.
    Public,
    /// Private ones, too: the host and port were opened.
    Everything,
    /// The proxy alone, wherever it is.
    Proxy(Proxy),
}

/// A proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) host: Arc<str>,
    /// With user and password.
    pub(super) address: Secret,
}

#[derive(Clone, Debug)]
pub(super) struct JudgingResolver(pub(super) Reach);

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(
            async move { Ok(Box::new(resolver.judged(name.as_str()).await?.into_iter()) as Addrs) },
        )
    }
}

impl JudgingResolver {
    /// The addresses of a host that may be connected to.
    pub(super) async fn judged(&self, name: &str) -> Result<Vec<SocketAddr>, BoxError> {
        let host = name.trim_end_matches('.');
        let may = |address: &SocketAddr| match &self.0 {
            Reach::Public => address::is_public(address.ip()),
            Reach::Everything => true,
            Reach::Proxy(proxy) => host == proxy.host.trim_end_matches('.'),
        };
        let found = tokio::net::lookup_host((host, 0)).await?;
        let judged: Vec<SocketAddr> = found.filter(may).collect();
        if judged.is_empty() {
            return Err(Box::new(OutgoingError::PrivateAddress(host.to_owned())));
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::Egress;

    #[test]
    fn each_runtime_has_connections_of_its_own() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let new = || runtime::Builder::new_current_thread().build().unwrap();
        let (one, other) = (new(), new());
        let clients = || Clients::new(Reach::Public, &Egress::default().tls().unwrap()).unwrap();
        let clients = one.block_on(async { clients() });
        let known = || clients.others.read().unwrap().len();
        for (runtime, others) in [(&one, 0), (&other, 1), (&other, 1), (&one, 1)] {
            runtime.block_on(async { clients.current() });
            assert_eq!(known(), others);
        }
    }

    #[tokio::test]
    async fn what_goes_through_the_proxy_looks_up_nothing_but_the_proxy() {
        let proxy = |host: &str| {
            let address = Secret::new(format!("http://{host}:3128"));
            JudgingResolver(Reach::Proxy(Proxy { host: host.into(), address }))
        };
        let localhost = || -> Name { "localhost".parse().unwrap() };
        assert!(proxy("localhost").resolve(localhost()).await.is_ok());
        assert!(proxy("proxy.example.org").resolve(localhost()).await.is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_a_private_address_is_refused() {
        let resolver = JudgingResolver(Reach::Public);
        let answer = resolver.resolve("localhost".parse().unwrap()).await;
        assert!(answer.is_err());
    }
}
