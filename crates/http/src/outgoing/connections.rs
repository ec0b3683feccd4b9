//! Requests to hosts that are reached without a proxy, over connections of hyper's own client. In
//! reqwest's each request is parsed as an address three times and its head copied twice, for redirects
//! and repetitions, of which there are none here.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lyceum_core::BoxError;
use reqwest::ResponseBuilderExt as _;
use rustls::ClientConfig;
use tower::Service;

use super::clients::{
    AGENT, CONNECT, IDLE, JudgingResolver, KEEP_ALIVE, Reach, SIGNS, UNCONFIRMED,
};

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// What reqwest says of it: it cannot be made, or went through the proxy.
    #[error(transparent)]
    Reqwest(#[from] reqwest::Error),
    /// No connection came about.
    #[error("no connection came about")]
    Connecting(#[source] BoxError),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] BoxError),
}

/// A future that is named.
type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Connections that are kept, and the way to new ones.
#[derive(Debug)]
pub(super) struct Connections(Client<Connector, reqwest::Body>);

impl Connections {
    pub(super) fn new(reach: &Reach, tls: ClientConfig) -> Self {
        let mut http = HttpConnector::new_with_resolver(JudgingResolver(reach.clone()));
        http.enforce_http(false);
        http.set_nodelay(true);
        // Spread over the addresses of a host, of which one may be dead.
        http.set_connect_timeout(Some(CONNECT));
        http.set_keepalive(Some(KEEP_ALIVE));
        http.set_keepalive_interval(Some(KEEP_ALIVE));
        http.set_keepalive_retries(Some(SIGNS));
        http.set_tcp_user_timeout(Some(UNCONFIRMED));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = Connector(https.enable_http1().wrap_connector(http));
        #[expect(clippy::disallowed_methods, reason = "this is the outgoing client")]
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        Self(client.build(connector))
    }

    /// Sends a request to an address that was judged, and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        request: reqwest::Request,
    ) -> Result<reqwest::Response, SendError> {
        let url = request.url().clone();
        let mut request = http::Request::try_from(request)?;
        let headers = request.headers_mut();
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let answer = self.0.request(request).await.map_err(|error| match error.is_connect() {
            true => SendError::Connecting(error.into()),
            false => SendError::Broken(error.into()),
        })?;
        let (head, body) = answer.into_parts();
        let named = http::Response::builder().url(url).body(reqwest::Body::wrap(body));
        let mut named = named.map_err(|error| SendError::Broken(error.into()))?;
        *named.status_mut() = head.status;
        *named.version_mut() = head.version;
        *named.headers_mut() = head.headers;
        Ok(named.into())
    }
}

impl Service<Name> for JudgingResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Waiting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move { Ok(resolver.judged(name.as_str()).await?.into_iter()) })
    }
}

/// Connects within [`CONNECT`]: name, address and TLS together.
#[derive(Clone, Debug)]
struct Connector(HttpsConnector<HttpConnector<JudgingResolver>>);

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector<JudgingResolver>> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Waiting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connecting = self.0.call(address);
        Box::pin(async move {
            tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| {
                let reason = format!("no connection came about within {CONNECT:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::outgoing::Egress;

    fn connections(reach: &Reach) -> Connections {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Connections::new(reach, Egress::default().tls().unwrap())
    }

    fn request(port: u16) -> reqwest::Request {
        let url = format!("http://localhost:{port}/v1").parse().unwrap();
        reqwest::Request::new(http::Method::GET, url)
    }

    #[tokio::test]
    async fn a_request_says_who_asks_and_a_redirect_is_the_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let answer = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\
                          content-length: 2\r\n\r\nhi";
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&head[..read]).to_lowercase()
        };
        let connections = connections(&Reach::Everything);
        let (head, answer) = tokio::join!(serve, connections.send(request(port)));
        let answer = answer.unwrap();
        assert_eq!(answer.status(), http::StatusCode::FOUND);
        assert_eq!(answer.url().path(), "/v1");
        assert_eq!(answer.text().await.unwrap(), "hi");
        assert!(head.contains(&format!("\r\nuser-agent: {AGENT}\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{head}");
    }

    #[tokio::test]
    async fn an_address_that_http_cannot_name_is_no_fault_of_the_connection() {
        let url = "https://{resource}.example.org/v1".parse().unwrap();
        let request = reqwest::Request::new(http::Method::GET, url);
        let error = connections(&Reach::Public).send(request).await.unwrap_err();
        assert!(matches!(&error, SendError::Reqwest(error) if error.is_builder()), "{error}");
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_never_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = connections(&Reach::Public).send(request(port)).await.unwrap_err();
        assert!(matches!(error, SendError::Connecting(_)), "{error}");
        let innermost = lyceum_core::causes(&error).last().unwrap().to_string();
        assert!(innermost.contains("private network"), "{innermost}");
        let accepted =
            tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept());
        assert!(accepted.await.is_err(), "somebody connected");
    }
}
