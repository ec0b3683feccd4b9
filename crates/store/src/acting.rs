use std::future::Future;
use std::net::IpAddr;

tokio::task_local! {
    static CLIENT_IP: Option<IpAddr>;
}

/// Runs a request's work so that the audit rows written by triggers carry the client's address.
/// Work that is spawned outlives the request and carries none.
pub async fn with_client_ip<F: Future>(ip: Option<IpAddr>, work: F) -> F::Output {
    CLIENT_IP.scope(ip, work).await
}

/// The address of the client whose request runs, where it is known.
pub fn current_client_ip() -> Option<IpAddr> {
    CLIENT_IP.try_with(|ip| *ip).ok().flatten()
}

/// The address as PostgreSQL's setting takes it; empty where it is not known.
pub(crate) fn client_ip() -> String {
    current_client_ip().map(|ip| ip.to_string()).unwrap_or_default()
}
