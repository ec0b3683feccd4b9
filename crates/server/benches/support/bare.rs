//! The least that a reverse proxy can do: takes a request, sends it on over a connection that is
//! kept, and passes the answer back. Nothing is read, checked or recorded.

use anyhow::Context as _;
use http::uri::Authority;
use http::{Request, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;

use super::group::Group;

/// Names the upstream (`host:port`) to the child process that is the proxy.
pub const ROLE: &str = "LYCEUM_BENCH_BARE_PROXY";

/// Starts this very program as the proxy; answers its address.
pub async fn start(upstream: &str) -> anyhow::Result<(Group, String)> {
    let myself = std::env::current_exe()?;
    let upstream = upstream.trim_start_matches("http://");
    let folder = std::env::temp_dir();
    let mut group = Group::start(&myself, &[], &[(ROLE, upstream)], &folder)?;
    let output = group.output().context("no standard output")?;
    let address = BufReader::new(output).lines().next_line().await?;
    Ok((group, address.context("the bare proxy did not start")?))
}

/// Is the proxy, on a thread for each core.
#[expect(clippy::print_stdout, reason = "tells its address")]
#[tokio::main]
pub async fn serve(upstream: &str) -> anyhow::Result<()> {
    let upstream: Authority = upstream.parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    #[expect(clippy::disallowed_methods, reason = "reaches the mock upstream only")]
    let client = Client::builder(TokioExecutor::new()).build::<_, Incoming>(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let target = Uri::builder().scheme("http").authority(upstream.clone());
            let path = request.uri().path_and_query().cloned();
            let target = target.path_and_query(path.map_or("/".to_owned(), |p| p.to_string()));
            if let Ok(uri) = target.build() {
                *request.uri_mut() = uri;
            }
            request.headers_mut().remove(header::HOST);
            client.request(request)
        });
        // A caller that goes away ends its connection with an error, which means nothing here.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
