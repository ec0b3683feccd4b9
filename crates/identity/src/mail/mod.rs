//! E-mail: how it leaves, and what the letters say.

mod job;
mod letter;
mod store;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use lyceum_core::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use job::{Letter, SendLetter};
pub(crate) use store::language_of;

/// How the mail server is reached.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Its name.
    pub host: String,
    /// Its port; the usual one of the security where absent.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// Name and password, where the server wants them.
    pub credentials: Option<(String, Secret)>,
    /// Who the letters are from: `name@example.org` or `Name <name@example.org>`.
    pub from: String,
}

/// How a connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// TLS from the first byte, port 465.
    Tls,
    /// A plain beginning that must become TLS, port 587.
    #[default]
    Starttls,
    /// No protection, port 25; for a server on the same machine.
    None,
}

/// The mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MailSettingsError {
    /// The sender is no address.
    #[error("mail.from is no e-mail address")]
    From(#[source] lettre::address::AddressError),
    /// TLS cannot be set up for this host.
    #[error("TLS with the mail server cannot be set up")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// A letter could not be handed over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// The address or text cannot be written as a letter.
    #[error("the letter cannot be written")]
    Unwritable(#[source] lyceum_core::BoxError),
    /// The server does not take it; `permanent` where it never will.
    #[error("the mail server did not take the letter")]
    Refused {
        permanent: bool,
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

/// Hands letters to the mail server; cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Prepares the way to the server; it is not called yet.
    pub fn new(settings: MailSettings) -> Result<Self, MailSettingsError> {
        let from: Mailbox = settings.from.parse().map_err(MailSettingsError::From)?;
        type Transport = AsyncSmtpTransport<Tokio1Executor>;
        let host = settings.host.as_str();
        let mut builder = match settings.security {
            MailSecurity::Tls => Transport::relay(host).map_err(MailSettingsError::Tls)?,
            MailSecurity::Starttls => {
                Transport::starttls_relay(host).map_err(MailSettingsError::Tls)?
            }
            MailSecurity::None => Transport::builder_dangerous(host),
        };
        builder = builder.hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some(port) = settings.port {
            builder = builder.port(port);
        }
        if let Some((name, password)) = settings.credentials {
            builder = builder.credentials(Credentials::new(name, password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), from })
    }

    /// Hands one letter over.
    async fn send(&self, to: &str, text: letter::Text) -> Result<(), MailError> {
        let unwritable = |error: lyceum_core::BoxError| MailError::Unwritable(error);
        let to = to.parse().map_err(|error| unwritable(Box::new(error)))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(text.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text.body)
            .map_err(|error| unwritable(Box::new(error)))?;
        let sent = self.transport.send(message).await;
        sent.map(drop)
            .map_err(|source| MailError::Refused { permanent: source.is_permanent(), source })
    }
}

/// A language that letters are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// By its tag, such as `zh-CN`; English where it is another one.
    pub(crate) fn of(tag: &str) -> Self {
        match tag.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("zh")) {
            true => Language::Zh,
            false => Language::En,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Zh => "zh",
        }
    }
}
