use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use lyceum_core::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::IdentityError;

/// OWASP's first recommendation for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Sign-ins that may wait for a turn, for each that is being checked.
const WAITING_PER_SLOT: usize = 32;
/// How long one waits for a turn.
const WAIT: Duration = Duration::from_secs(10);
/// What the hashes of bcrypt start with that other programs have left us.
const BCRYPT: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// The dearest bcrypt that is looked at; each step beyond doubles the time of a core.
const BCRYPT_COST_MAX: u32 = 15;
/// A well-formed hash that no password has, checked where there is no account, so that the answer
/// takes the same time.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbCAhIQ\
                      $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and checks passwords, at most one on each core, off the threads that serve requests.
#[derive(Clone)]
pub(crate) struct Passwords {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// The right to compute one hash.
pub(crate) struct Slot {
    _running: OwnedSemaphorePermit,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // One core is left to everything else.
        let slots = (cores - 1).max(1);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            queue: Arc::new(Semaphore::new(slots * WAITING_PER_SLOT)),
        }
    }

    /// Waits for a turn; says so where too many wait.
    pub(crate) async fn slot(&self) -> Result<Slot, IdentityError> {
        let _place = self.queue.try_acquire().map_err(|_| IdentityError::Busy)?;
        let running = tokio::time::timeout(WAIT, self.slots.clone().acquire_owned()).await;
        match running {
            Ok(Ok(permit)) => Ok(Slot { _running: permit }),
            Ok(Err(_)) | Err(_) => Err(IdentityError::Busy),
        }
    }

    /// The PHC string of a new password.
    pub(crate) async fn hash(
        &self,
        slot: Slot,
        password: &Secret,
    ) -> Result<String, IdentityError> {
        let password = password.clone();
        compute(slot, move || {
            let hash: Result<PasswordHash, _> =
                argon2()?.hash_password(password.expose().as_bytes());
            hash.map(|hash| hash.to_string())
                .map_err(|_| IdentityError::Internal("the password cannot be hashed"))
        })
        .await
    }

    /// Whether the password belongs to the PHC string; without one, works as long and says no.
    pub(crate) async fn verify(
        &self,
        slot: Slot,
        password: &Secret,
        hash: Option<String>,
    ) -> Result<bool, IdentityError> {
        let password = password.clone();
        compute(slot, move || {
            let text = hash.as_deref().unwrap_or(NOBODY);
            if is_outdated(text) {
                return Ok(fits_bcrypt(password.expose(), text));
            }
            let parsed = PasswordHash::new(text)
                .map_err(|_| IdentityError::Internal("a stored password hash is malformed"))?;
            let fits = argon2()?.verify_password(password.expose().as_bytes(), &parsed).is_ok();
            Ok(fits && hash.is_some())
        })
        .await
    }
}

/// Whether a stored hash is one of bcrypt, to be replaced as soon as the password is known.
pub(crate) fn is_outdated(hash: &str) -> bool {
    BCRYPT.iter().any(|prefix| hash.starts_with(prefix))
}

fn fits_bcrypt(password: &str, hash: &str) -> bool {
    let cost = hash.get(4..6).and_then(|digits| digits.parse::<u32>().ok());
    cost.is_some_and(|cost| cost <= BCRYPT_COST_MAX)
        && bcrypt::verify(password, hash).unwrap_or(false)
}

fn argon2() -> Result<Argon2<'static>, IdentityError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|_| IdentityError::Internal("the parameters of Argon2 are wrong"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// The slot travels with the work: a caller who goes away does not free a core that is still busy.
async fn compute<T: Send + 'static>(
    slot: Slot,
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(slot);
        result
    });
    done.await.map_err(|_| IdentityError::Internal("the password thread failed"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_nobody_has_none() {
        let passwords = Passwords::new();
        let secret = Secret::new("correct horse battery");
        let hash = passwords.hash(passwords.slot().await.unwrap(), &secret).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |text: &str, hash: Option<String>| {
            let slot = passwords.slot().await.unwrap();
            passwords.verify(slot, &Secret::new(text), hash).await.unwrap()
        };
        assert!(verify("correct horse battery", Some(hash.clone())).await);
        assert!(!verify("correct horse batterz", Some(hash)).await);
        assert!(!verify("correct horse battery", None).await);
    }

    #[tokio::test]
    async fn old_hashes_of_bcrypt_fit_in_every_spelling_but_not_at_any_price() {
        let hash = bcrypt::hash("correct horse battery", 4).unwrap();
        let spelt = |prefix: &str| format!("{prefix}{}", &hash[4..]);
        for prefix in BCRYPT {
            assert!(is_outdated(&spelt(prefix)));
            assert!(fits_bcrypt("correct horse battery", &spelt(prefix)), "{prefix}");
            assert!(!fits_bcrypt("correct horse batterz", &spelt(prefix)), "{prefix}");
        }
        let dear = hash.replacen("$04$", "$31$", 1);
        assert!(!fits_bcrypt("correct horse battery", &dear));
        assert!(!fits_bcrypt("correct horse battery", "$2b$nonsense"));
        assert!(!is_outdated(NOBODY));
    }

    #[tokio::test]
    async fn a_flood_is_turned_away_instead_of_queued() {
        let passwords =
            Passwords { slots: Arc::new(Semaphore::new(0)), queue: Arc::new(Semaphore::new(0)) };
        assert!(matches!(passwords.slot().await, Err(IdentityError::Busy)));
    }
}
