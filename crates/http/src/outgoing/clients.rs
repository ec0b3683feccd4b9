//! The HTTP clients behind [`super::Outgoing`], and what each may connect to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lyceum_core::Secret;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use tokio::runtime;

use super::{OutgoingError, address, tunnel};

/// How long it may take to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// A client for each of the program's runtimes: a connection is driven by the runtime that opened it,
/// and a call that stays on one thread takes its answer there.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) reach: Reach,
    tls: ClientConfig,
    /// That of the runtime in which they were set up.
    first: (Option<runtime::Id>, reqwest::Client),
    others: Arc<RwLock<HashMap<runtime::Id, reqwest::Client>>>,
}

impl Clients {
    pub(super) fn new(reach: Reach, tls: &ClientConfig) -> Result<Self, OutgoingError> {
        let first = client(&reach, tls.clone()).map_err(OutgoingError::Client)?;
        let (first, others) = ((current_runtime(), first), Arc::default());
        Ok(Self { reach, tls: tls.clone(), first, others })
    }

    /// That of the runtime in which this is called.
    pub(super) fn current(&self) -> reqwest::Client {
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
            client(&self.reach, self.tls.clone()).unwrap_or_else(|error| {
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
        // Each runtime keeps its own, so that they are used less often than one for all would be.
        .pool_idle_timeout(Duration::from_secs(90))
        .tls_backend_preconfigured(tls)
        .tcp_nodelay(true)
        .user_agent(concat!("lyceum/", env!("CARGO_PKG_VERSION")))
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
        let reach = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let may = |address: &SocketAddr| match &reach {
                Reach::Public => address::is_public(address.ip()),
                Reach::Everything => true,
                Reach::Proxy(proxy) => host == proxy.host.trim_end_matches('.'),
            };
            let judged: Vec<SocketAddr> = found.filter(may).collect();
            if judged.is_empty() {
                return Err(Box::new(OutgoingError::PrivateAddress(host)) as _);
            }
            Ok(Box::new(judged.into_iter()) as Addrs)
        })
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
