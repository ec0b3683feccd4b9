//! One-time links: to an account, an invitation, a registration.
//!
//! A link's token is a MAC over the row's id under a key of its own, so that a job can write the
//! link into a letter without the token ever being kept; the row holds its SHA-256.

pub(crate) mod store;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use lyceum_core::{Secret, new_id};
use lyceum_http::ClientInfo;
use sqlx::PgConnection;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::key::{SigningKey, hmac_sha256};
use crate::people::PeopleError;
use crate::sign_in::attempts::{self, Subjects};
use crate::token::sha256;
use crate::{Identity, IdentityError};

pub(crate) use store::AccountLink;

/// What a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Invitation,
    Registration,
    Account(Purpose),
}

/// What a link to an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    VerifyEmail,
    ChangeEmail,
    ResetPassword,
}

impl Purpose {
    pub(crate) fn lifetime(self) -> TimeDelta {
        match self {
            Purpose::VerifyEmail | Purpose::ChangeEmail => TimeDelta::hours(24),
            Purpose::ResetPassword => TimeDelta::hours(1),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Purpose::VerifyEmail => "verify_email",
            Purpose::ChangeEmail => "change_email",
            Purpose::ResetPassword => "reset_password",
        }
    }
}

impl LinkKind {
    /// The page of the web app that takes the token.
    fn page(self) -> &'static str {
        match self {
            LinkKind::Invitation => "invitation",
            LinkKind::Registration => "confirm-registration",
            LinkKind::Account(Purpose::ResetPassword) => "reset-password",
            LinkKind::Account(_) => "verify-email",
        }
    }

    /// What the MAC is over beside the id. Links that prove an address are told apart by their row.
    fn label(self) -> &'static [u8] {
        match self {
            LinkKind::Invitation => b"invitation",
            LinkKind::Registration => b"registration",
            LinkKind::Account(Purpose::ResetPassword) => b"reset password",
            LinkKind::Account(_) => b"address",
        }
    }
}

/// Makes and reads the tokens of links.
pub(crate) struct LinkTokens([u8; 32]);

/// A genuine token: the row's id, and the hash that the row must hold.
pub(crate) struct LinkToken {
    pub(crate) id: Uuid,
    hash: [u8; 32],
}

impl LinkTokens {
    pub(crate) fn new(key: &SigningKey) -> Self {
        Self(key.derive("lyceum one-time link 1"))
    }

    /// The token of a row.
    pub(crate) fn token(&self, kind: LinkKind, id: Uuid) -> Secret {
        let mac = hmac_sha256(&self.0, &[kind.label(), id.as_bytes()].concat());
        Secret::new(URL_SAFE_NO_PAD.encode([id.as_bytes().as_slice(), &mac].concat()))
    }

    /// What the row holds of its token.
    pub(crate) fn hash(&self, kind: LinkKind, id: Uuid) -> [u8; 32] {
        sha256(self.token(kind, id).expose().as_bytes())
    }

    /// Reads a token; one that this program did not make is none.
    pub(crate) fn read(&self, kind: LinkKind, token: &Secret) -> Result<LinkToken, PeopleError> {
        let given = token.expose().trim();
        let bytes = URL_SAFE_NO_PAD.decode(given).map_err(|_| PeopleError::LinkInvalid)?;
        let id = bytes.get(..16).and_then(|bytes| Uuid::from_slice(bytes).ok());
        let id = id.ok_or(PeopleError::LinkInvalid)?;
        let genuine = self.token(kind, id);
        match bool::from(genuine.expose().as_bytes().ct_eq(given.as_bytes())) {
            true => Ok(LinkToken { id, hash: sha256(given.as_bytes()) }),
            false => Err(PeopleError::LinkInvalid),
        }
    }
}

impl LinkToken {
    /// Whether the row was made with this token.
    pub(crate) fn fits(&self, stored: &[u8]) -> Result<(), PeopleError> {
        match bool::from(stored.ct_eq(self.hash.as_slice())) {
            true => Ok(()),
            false => Err(PeopleError::LinkInvalid),
        }
    }
}

impl Identity {
    /// The whole address of a link. The token stands behind `#`, so that it is in no log of a
    /// server and in no `Referer`.
    pub(crate) fn link_address(&self, kind: LinkKind, id: Uuid) -> String {
        let base = self.public_base();
        format!("{base}/{}#token={}", kind.page(), self.links().token(kind, id).expose())
    }

    /// Makes a link to an account in the caller's transaction; it replaces those of its purpose
    /// that were not used.
    pub(crate) async fn make_link(
        &self,
        connection: &mut PgConnection,
        user: Uuid,
        purpose: Purpose,
        email: Option<&str>,
        previous_email: Option<&str>,
    ) -> Result<Uuid, IdentityError> {
        let (id, now) = (new_id(), self.clock().now());
        store::drop_unused(connection, user, purpose).await?;
        let new = store::NewLink {
            id,
            user,
            purpose,
            hash: &self.links().hash(LinkKind::Account(purpose), id),
            email,
            previous_email,
            now,
        };
        store::insert(connection, &new).await?;
        Ok(id)
    }

    /// Uses up a link of one of these purposes. The row is locked, so of two uses at the same
    /// moment one wins.
    pub(crate) async fn use_link(
        &self,
        connection: &mut PgConnection,
        token: &LinkToken,
        purposes: &[Purpose],
    ) -> Result<AccountLink, IdentityError> {
        let now = self.clock().now();
        let link = store::for_update(connection, token.id)
            .await?
            .filter(|link| purposes.iter().any(|purpose| purpose.as_str() == link.purpose))
            .ok_or(PeopleError::LinkInvalid)?;
        token.fits(&link.token_hash)?;
        if link.used_at.is_some() {
            return Err(PeopleError::LinkUsed.into());
        }
        if link.expires_at <= now {
            return Err(PeopleError::LinkExpired.into());
        }
        store::mark_used(connection, token.id, now).await?;
        Ok(link)
    }

    /// Counts one of the acts that anybody may try, like an attempt to sign in, or refuses it.
    pub(crate) async fn count_attempt(
        &self,
        what: &str,
        client: &ClientInfo,
    ) -> Result<Subjects, IdentityError> {
        let subjects = Subjects::of_act(what, client.ip);
        let mut tx = self.db().begin_maintenance().await?;
        let (limits, now) = (self.config().attempts, self.clock().now());
        attempts::count(&mut tx, &subjects, limits, now).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        Ok(subjects)
    }

    /// Counts a try of a one-time token. Guesses are counted by the address that they come from.
    pub(crate) async fn count_token(
        &self,
        token: &Secret,
        client: &ClientInfo,
    ) -> Result<Subjects, IdentityError> {
        let digest = hex::encode(sha256(token.expose().as_bytes()));
        self.count_attempt(&format!("link {digest}"), client).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_one_row_of_one_kind_under_one_key() {
        let tokens = |byte| LinkTokens::new(&SigningKey::from_bytes([byte; 32]));
        let id = Uuid::from_u128(7);
        let reset = LinkKind::Account(Purpose::ResetPassword);
        let token = tokens(1).token(reset, id);
        let read = tokens(1).read(reset, &token).unwrap();
        assert_eq!(read.id, id);
        assert!(read.fits(&tokens(1).hash(reset, id)).is_ok());
        assert!(read.fits(&tokens(1).hash(reset, Uuid::from_u128(8))).is_err());
        assert!(tokens(2).read(reset, &token).is_err());
        for kind in
            [LinkKind::Invitation, LinkKind::Registration, LinkKind::Account(Purpose::VerifyEmail)]
        {
            assert!(tokens(1).read(kind, &token).is_err(), "{kind:?}");
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            let changed = Secret::new(URL_SAFE_NO_PAD.encode(&bytes));
            assert!(tokens(1).read(reset, &changed).is_err(), "{place}");
            bytes[place] ^= 1;
        }
        for text in ["", "x", "AAAA"] {
            assert!(tokens(1).read(reset, &Secret::new(text)).is_err());
        }
    }
}
