//! The picture of a person: whatever is uploaded is made anew, so that nothing of the file itself
//! is ever served.

pub(crate) mod http;
mod picture;
mod store;

use std::convert::Infallible;

use axum::body::Bytes;
use futures::stream::{self, BoxStream};
use lyceum_core::new_id;
use lyceum_http::Caller;
use lyceum_store::ObjectError;
use uuid::Uuid;

use crate::people::PeopleError;
use crate::{Identity, IdentityError};

/// The largest picture that may be uploaded.
pub(crate) const MAX_BYTES: usize = 5_000_000;
/// Pictures that are worked on at once: each may take some hundred megabytes.
pub(crate) const AT_ONCE: usize = 2;

/// Where the pictures of a user lie.
pub(crate) fn folder(user: Uuid) -> String {
    format!("avatars/{user}")
}

fn object(user: Uuid, version: Uuid) -> String {
    format!("avatars/{user}/{version}.webp")
}

impl Identity {
    /// Makes the caller's picture from an uploaded one; answers its address.
    pub(crate) async fn set_avatar(
        &self,
        caller: &Caller,
        upload: Bytes,
    ) -> Result<String, IdentityError> {
        let place = self.pictures().acquire().await;
        let place =
            place.map_err(|_| IdentityError::Internal("pictures are not taken any more"))?;
        let picture = tokio::task::spawn_blocking(move || picture::make(&upload)).await;
        let picture =
            picture.map_err(|_| IdentityError::Internal("the picture thread failed"))??;
        drop(place);

        let (user, version) = (caller.user_id, new_id());
        let path = object(user, version);
        let bytes = stream::iter([Ok::<_, Infallible>(Bytes::from(picture))]);
        self.objects().put(&path, bytes, MAX_BYTES as u64).await.map_err(PeopleError::from)?;
        let address = format!("/api/v1/avatars/{user}/{version}");
        let mut tx = self.db().begin_as(user).await?;
        store::set(&mut tx, user, Some(&address)).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.remove_pictures(user, Some(&path)).await;
        Ok(address)
    }

    /// Removes the caller's picture.
    pub(crate) async fn remove_avatar(&self, caller: &Caller) -> Result<(), IdentityError> {
        let mut tx = self.db().begin_as(caller.user_id).await?;
        store::set(&mut tx, caller.user_id, None).await?;
        tx.commit().await.map_err(IdentityError::from)?;
        self.remove_pictures(caller.user_id, None).await;
        Ok(())
    }

    /// A picture's bytes. Who knows its address may see it.
    pub(crate) async fn avatar(
        &self,
        user: Uuid,
        version: Uuid,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, IdentityError> {
        let found = self.objects().get(&object(user, version)).await;
        Ok(found.map_err(PeopleError::from)?)
    }

    /// Removes the pictures of a user but one. What is left over goes with the account.
    async fn remove_pictures(&self, user: Uuid, but: Option<&str>) {
        let removing = async {
            for path in self.objects().list(&folder(user)).await? {
                if Some(path.as_str()) != but {
                    self.objects().delete(&path).await?;
                }
            }
            Ok::<_, ObjectError>(())
        };
        if let Err(error) = removing.await {
            tracing::warn!(%user, %error, "an old picture was not removed");
        }
    }
}
