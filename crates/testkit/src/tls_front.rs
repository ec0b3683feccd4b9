//! TLS in front of a server that speaks none.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::Issued;

/// A port of 127.0.0.2 that speaks TLS, and hands on what it gets; ends when it is dropped.
pub struct TlsFront {
    /// Where it is.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Starts one with this certificate in front of `server`.
    ///
    /// # Panics
    /// Where it cannot be started; the message says why.
    pub async fn start(issued: &Issued, server: SocketAddr) -> Self {
        match Self::begin(issued, server).await {
            Ok(front) => front,
            Err(error) => panic!("no TLS for the test: {error:#}"),
        }
    }

    async fn begin(issued: &Issued, server: SocketAddr) -> anyhow::Result<Self> {
        let acceptor = acceptor(issued)?;
        let listener = TcpListener::bind(("127.0.0.2", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), client, server));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(issued: &Issued) -> anyhow::Result<TlsAcceptor> {
    let certificates = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
    let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(Arc::new(config).into())
}

/// Nobody hears of a failure but who meets it: the client.
async fn serve(acceptor: TlsAcceptor, client: TcpStream, server: SocketAddr) {
    let (Ok(mut client), Ok(mut server)) =
        (acceptor.accept(client).await, TcpStream::connect(server).await)
    else {
        return;
    };
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
