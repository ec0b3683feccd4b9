use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

tokio::task_local! {
    static CLIENT: Client;
}

/// Where a request comes from.
struct Client {
    ip: Option<IpAddr>,
    user_agent: Option<Arc<str>>,
}

/// Runs a request's work so that the audit rows written by triggers carry the client's address and
/// its `User-Agent`, cut to the 400 characters that they hold. Work that is spawned outlives the
/// request and carries none.
pub async fn with_client<F: Future>(
    ip: Option<IpAddr>,
    user_agent: Option<Arc<str>>,
    work: F,
) -> F::Output {
    CLIENT.scope(Client { ip, user_agent }, work).await
}

/// The address of the client whose request runs, where it is known.
pub fn current_client_ip() -> Option<IpAddr> {
    CLIENT.try_with(|client| client.ip).ok().flatten()
}

/// Address and `User-Agent` as PostgreSQL's settings take them; empty where they are not known.
pub(crate) fn client() -> (String, String) {
    let known = CLIENT.try_with(|client| {
        let ip = client.ip.map(|ip| ip.to_string());
        (ip.unwrap_or_default(), client.user_agent.as_deref().unwrap_or_default().to_owned())
    });
    known.unwrap_or_default()
}
