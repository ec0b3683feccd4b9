use lyceum_core::{ErrorKind, Problem};
use lyceum_store::ObjectError;

/// Why an act about coming, proving an address, showing a face or leaving was refused.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Not a link of ours, or one that a newer one replaced.
    #[error("the link is not valid")]
    LinkInvalid,
    /// A one-time link, used before.
    #[error("the link was used")]
    LinkUsed,
    /// The right link, too late.
    #[error("the link has expired")]
    LinkExpired,
    /// The settings do not let anybody make an account in this way.
    #[error("registration is closed")]
    RegistrationClosed,
    /// No mail server is configured.
    #[error("no mail server is configured")]
    MailNotConfigured,
    /// The object store did not do its part.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Not a picture, or not of a kind that is taken.
    #[error("the picture is of no kind that is taken")]
    PictureUnsupported,
    /// More pixels than are looked at.
    #[error("the picture has too many pixels")]
    PictureTooLarge,
    /// It begins like a picture, but cannot be read.
    #[error("the picture is damaged")]
    PictureDamaged,
    /// An export of this person is being made already.
    #[error("an export is being made")]
    ExportRunning,
    /// The export has no file yet, or none any more.
    #[error("the export is not ready")]
    ExportNotReady,
}

impl Problem for PeopleError {
    fn kind(&self) -> ErrorKind {
        match self {
            PeopleError::LinkInvalid => ErrorKind::NotFound,
            PeopleError::LinkUsed | PeopleError::LinkExpired => ErrorKind::Gone,
            PeopleError::RegistrationClosed => ErrorKind::Forbidden,
            PeopleError::MailNotConfigured
            | PeopleError::ExportRunning
            | PeopleError::ExportNotReady => ErrorKind::Conflict,
            PeopleError::Object(error) => error.kind(),
            PeopleError::PictureUnsupported => ErrorKind::UnsupportedMedia,
            PeopleError::PictureTooLarge | PeopleError::PictureDamaged => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            PeopleError::LinkInvalid => "link_invalid",
            PeopleError::LinkUsed => "link_used",
            PeopleError::LinkExpired => "link_expired",
            PeopleError::RegistrationClosed => "registration_closed",
            PeopleError::MailNotConfigured => "mail_not_configured",
            PeopleError::Object(error) => error.code(),
            PeopleError::PictureUnsupported => "picture_unsupported",
            PeopleError::PictureTooLarge => "picture_too_large",
            PeopleError::PictureDamaged => "picture_damaged",
            PeopleError::ExportRunning => "export_running",
            PeopleError::ExportNotReady => "export_not_ready",
        }
    }

    fn detail(&self) -> String {
        let text = match self {
            PeopleError::Object(error) => return error.detail(),
            PeopleError::LinkInvalid => "This link is not valid, or a newer one replaced it.",
            PeopleError::LinkUsed => "This link was used already; it works once.",
            PeopleError::LinkExpired => "This link has expired; ask for a new one.",
            PeopleError::RegistrationClosed => {
                "New accounts are not made in this way here; ask an administrator."
            }
            PeopleError::MailNotConfigured => {
                "The platform cannot send e-mail; ask an administrator for a link."
            }
            PeopleError::PictureUnsupported => "Send a PNG, JPEG, WebP or GIF picture.",
            PeopleError::PictureTooLarge => {
                "The picture has too many pixels; at most 25 million, and 10000 on a side."
            }
            PeopleError::PictureDamaged => "The picture is damaged and cannot be read.",
            PeopleError::ExportRunning => "An export is being made already; wait for it.",
            PeopleError::ExportNotReady => "The export is not ready, or not kept any more.",
        };
        text.to_owned()
    }
}
