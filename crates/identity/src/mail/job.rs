use async_trait::async_trait;
use lyceum_jobs::{EnqueueOptions, Job, JobContext, JobError, enqueue};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::letter::{self, Contents};
use super::{Language, MailError, store};
use crate::link::{LinkKind, Purpose};
use crate::{Identity, IdentityError, invitation, link, registration};

/// Which letter: what its text is made of stands in the row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "letter", content = "id", rename_all = "snake_case")]
pub(crate) enum Letter {
    /// To the address of an invitation.
    Invitation(Uuid),
    /// To the address of a registration.
    Registration(Uuid),
    /// To a user whose address somebody registered again.
    AlreadyRegistered(Uuid),
    /// With a link to an account.
    Link(Uuid),
    /// To the address that an account had before a change of address, given by its link.
    AddressChanged(Uuid),
}

/// Sends a letter. What has become pointless meanwhile is not sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SendLetter {
    #[serde(flatten)]
    letter: Letter,
}

#[async_trait]
impl Job for SendLetter {
    const NAME: &'static str = "identity.send_letter";
    type State = Identity;

    async fn run(self, identity: Identity, _: JobContext) -> Result<(), JobError> {
        let Some(mailer) = &identity.config().mailer else {
            return Err(JobError::Fatal("no mail server is configured".to_owned()));
        };
        let draft = identity.draft(self.letter).await.map_err(|error| JobError::retry(&error))?;
        let Some(draft) = draft else { return Ok(()) };
        let sent = mailer.send(&draft.to, letter::write(&draft.contents, draft.language)).await;
        sent.map_err(|error| match &error {
            MailError::Unwritable(_) | MailError::Refused { permanent: true, .. } => {
                JobError::fatal(&error)
            }
            MailError::Refused { .. } => JobError::retry(&error),
        })
    }
}

/// A letter before it is put into words.
struct Draft {
    to: String,
    language: Language,
    contents: Contents,
}

impl Identity {
    /// Whether letters can be sent.
    pub(crate) fn can_mail(&self) -> bool {
        self.config().mailer.is_some()
    }

    /// Has a letter sent if the caller's transaction commits.
    pub(crate) async fn post(
        &self,
        connection: &mut PgConnection,
        letter: Letter,
    ) -> Result<(), IdentityError> {
        enqueue(connection, &SendLetter { letter }, EnqueueOptions::default()).await?;
        Ok(())
    }

    async fn draft(&self, letter: Letter) -> Result<Option<Draft>, IdentityError> {
        let now = self.clock().now();
        let mut tx = self.db().begin_maintenance().await?;
        Ok(match letter {
            Letter::Invitation(id) => {
                let found = invitation::store::find(&mut tx, id).await?;
                found.filter(|found| found.is_mailed && found.waits(now)).and_then(|found| {
                    let link = self.link_address(LinkKind::Invitation, id);
                    let contents = Contents::Invitation { inviter: found.inviter, link };
                    let language = Language::of(&found.language);
                    Some(Draft { to: found.email?, language, contents })
                })
            }
            Letter::Registration(id) => {
                registration::store::to_be_sent(&mut tx, id, now).await?.map(|(to, language)| {
                    let link = self.link_address(LinkKind::Registration, id);
                    let contents = Contents::Registration { link };
                    Draft { to, language: Language::of(&language), contents }
                })
            }
            Letter::AlreadyRegistered(user) => {
                let language = store::language_of(&mut tx, user).await?;
                store::address_of(&mut tx, user).await?.map(|to| {
                    let base = self.public_base();
                    let contents =
                        Contents::AlreadyRegistered { sign_in: format!("{base}/sign-in") };
                    Draft { to, language, contents }
                })
            }
            Letter::Link(id) => {
                let found = link::store::find(&mut tx, id).await?;
                match found.filter(|link| link.used_at.is_none() && link.expires_at > now) {
                    Some(found) => self.draft_link(&mut tx, id, found).await?,
                    None => None,
                }
            }
            Letter::AddressChanged(id) => match link::store::find(&mut tx, id).await? {
                Some(link::AccountLink {
                    user_id,
                    email: Some(new),
                    previous_email: Some(to),
                    ..
                }) => {
                    let language = store::language_of(&mut tx, user_id).await?;
                    Some(Draft { to, language, contents: Contents::AddressChanged { new } })
                }
                _ => None,
            },
        })
    }

    async fn draft_link(
        &self,
        connection: &mut PgConnection,
        id: Uuid,
        link: link::AccountLink,
    ) -> Result<Option<Draft>, IdentityError> {
        let language = store::language_of(connection, link.user_id).await?;
        let address = |purpose| self.link_address(LinkKind::Account(purpose), id);
        let (to, contents) = match (link.purpose.as_str(), link.email) {
            ("verify_email", Some(to)) => {
                (to, Contents::VerifyEmail { link: address(Purpose::VerifyEmail) })
            }
            ("change_email", Some(to)) => {
                (to, Contents::ChangeEmail { link: address(Purpose::ChangeEmail) })
            }
            _ => {
                let Some(to) = store::address_of(connection, link.user_id).await? else {
                    return Ok(None);
                };
                (to, Contents::ResetPassword { link: address(Purpose::ResetPassword) })
            }
        };
        Ok(Some(Draft { to, language, contents }))
    }
}
