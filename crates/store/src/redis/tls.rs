//! TLS to Redis: whose certificates are trusted, and what it means where no connection comes about.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::redis::{Client, ConnectionAddr, ErrorKind, RedisError as Cause, TlsCertificates};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::Failure;
use super::{RedisError, RedisSettings};

/// A server without TLS takes its beginning for half a question, and waits.
const PLAIN: &str = "; where the server speaks no TLS, its address begins with redis://";
/// A server with TLS hangs up on whoever speaks without.
const TLS: &str = "; where the server speaks TLS, its address begins with rediss://";
/// A server hangs up, too, on who lacks the certificate that it asks for, as Redis does by default.
const CLIENTS: &str =
    "; where the server asks for a client's certificate, set tls-auth-clients no in it";

/// What connects to the address of the settings. Certificates are always checked, against the
/// system's authorities or those that are named.
pub(super) fn client(settings: &RedisSettings) -> Result<Client, RedisError> {
    let url = settings.url.as_str();
    let client = Client::open(url).map_err(|_| RedisError::Address)?;
    let address = client.get_connection_info().addr();
    if matches!(address, ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(RedisError::Insecure);
    }
    let Some(path) = &settings.ca_file else { return Ok(client) };
    let made = match address {
        ConnectionAddr::TcpTls { .. } => trusting(url, path),
        _ => Err("it is of use only where redis.url begins with rediss://".to_owned()),
    };
    made.map_err(|reason| RedisError::Authorities { path: path.clone(), reason })
}

/// A client that trusts only the authorities in the file.
fn trusting(url: &str, path: &Path) -> Result<Client, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    // The crate would trust nobody then, and say so only of the server.
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err("it holds no certificate in PEM".to_owned());
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
    Client::build_with_tls(url, certificates).map_err(|error| error.to_string())
}

/// Why no connection to `address` came about, and what may be wrong with the settings where the
/// failure itself does not tell.
pub(super) fn explain(address: &ConnectionAddr, error: Cause) -> Failure {
    let hung_up = error.is_connection_dropped() && !error.is_connection_refusal();
    let hint = match (address, fault(&error)) {
        (_, Some(rustls::Error::InvalidCertificate(why))) => return not_accepted(why),
        (ConnectionAddr::TcpTls { .. }, Some(rustls::Error::InvalidMessage(_))) => PLAIN,
        (ConnectionAddr::TcpTls { .. }, Some(rustls::Error::AlertReceived(_))) => CLIENTS,
        (ConnectionAddr::TcpTls { .. }, _) if error.is_timeout() => PLAIN,
        (ConnectionAddr::TcpTls { .. }, _) if hung_up => CLIENTS,
        (ConnectionAddr::Tcp(..), _) if hung_up || error.kind() == ErrorKind::Parse => TLS,
        _ => "",
    };
    Failure::from(error).with(hint)
}

/// What TLS itself says of a failure, if that is where it comes from.
fn fault(error: &Cause) -> Option<&rustls::Error> {
    let cause = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// A certificate that was good once is renewed at the server; any other needs somebody here.
fn not_accepted(why: &CertificateError) -> Failure {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Failure::Away("its certificate has expired".to_owned())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Failure::Away("its certificate is not valid yet".to_owned())
        }
        // The latter of one with the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::Refused(
            "its certificate comes from no authority that is trusted here; redis.ca_file names one"
                .to_owned(),
        ),
        other => Failure::Refused(format!("its certificate is not accepted: {other}")),
    }
}
