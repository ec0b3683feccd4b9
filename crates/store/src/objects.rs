use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind as IoErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use lyceum_core::{BoxError, ErrorKind, Problem, causes};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};

/// Where files are kept, under paths that the server chooses.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    root: PathBuf,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The sender's stream broke.
    #[error("the upload broke off")]
    Source(#[source] BoxError),
    /// More bytes than allowed.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// No room left.
    #[error("the object store is full")]
    Full(#[source] object_store::Error),
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// Anything else.
    #[error("the object store failed")]
    Store(#[source] object_store::Error),
}

impl From<object_store::Error> for ObjectError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            return ObjectError::NotFound;
        }
        let is_full = |cause: &(dyn std::error::Error + 'static)| {
            let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            // The third: the file system, or a limit of the process, takes no file of that size.
            let full =
                [IoErrorKind::StorageFull, IoErrorKind::QuotaExceeded, IoErrorKind::FileTooLarge];
            io.is_some_and(|kind| full.contains(&kind))
        };
        let full = causes(&error).any(is_full);
        match full {
            true => ObjectError::Full(error),
            false => ObjectError::Store(error),
        }
    }
}

impl Problem for ObjectError {
    fn kind(&self) -> ErrorKind {
        match self {
            ObjectError::Source(_) => ErrorKind::BadRequest,
            ObjectError::TooLarge { .. } => ErrorKind::TooLarge,
            ObjectError::Full(_) => ErrorKind::StorageFull,
            ObjectError::NotFound => ErrorKind::NotFound,
            ObjectError::Store(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ObjectError::Source(_) => "upload_interrupted",
            ObjectError::TooLarge { .. } => "file_too_large",
            ObjectError::Full(_) => "storage_full",
            ObjectError::NotFound => "not_found",
            ObjectError::Store(_) => "internal",
        }
    }

    fn detail(&self) -> String {
        match self {
            ObjectError::Source(_) => "The upload broke off; nothing was stored.".to_owned(),
            ObjectError::TooLarge { limit } => {
                format!("The file is larger than the limit of {} MB.", limit / 1_000_000)
            }
            ObjectError::Full(_) => "The disk is full; nothing was stored.".to_owned(),
            ObjectError::NotFound => "There is no such file.".to_owned(),
            ObjectError::Store(_) => {
                "Something went wrong on our side; the log has the cause.".to_owned()
            }
        }
    }
}

impl Objects {
    /// A store in a folder of its own, which is made where it is missing and closed to other
    /// accounts of the machine: the files in it are people's documents. A folder that belongs to
    /// another account, as one that is mounted may, stays as it is.
    pub fn folder(root: &FsPath) -> Result<Self, ObjectError> {
        make_private(root).map_err(folder_error)?;
        let store = LocalFileSystem::new_with_prefix(root)?.with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), root: root.to_owned() })
    }

    /// A store that is gone with the program.
    pub fn in_memory() -> Self {
        Self { store: Arc::new(InMemory::new()), root: PathBuf::new() }
    }

    /// Stores the stream under `path`, or nothing at all. At most `limit` bytes.
    pub async fn put<S, E>(
        &self,
        path: &str,
        stream: S,
        limit: u64,
    ) -> Result<StoredObject, ObjectError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Into<BoxError>,
    {
        let upload = self.store.put_multipart(&Path::from(path)).await?;
        let mut writer = WriteMultipart::new(upload);
        match copy(&mut writer, stream, limit).await {
            Ok(stored) => {
                writer.finish().await?;
                Ok(stored)
            }
            Err(error) => {
                if let Err(abort) = writer.abort().await {
                    tracing::warn!(error = %abort, "an unfinished upload was not cleaned up");
                }
                Err(error)
            }
        }
    }

    /// The object as a stream.
    pub async fn get(
        &self,
        path: &str,
    ) -> Result<BoxStream<'static, Result<Bytes, ObjectError>>, ObjectError> {
        let found = self.store.get(&Path::from(path)).await?;
        Ok(found.into_stream().map_err(ObjectError::from).boxed())
    }

    /// Deletes the object; one that is not there is no error.
    pub async fn delete(&self, path: &str) -> Result<(), ObjectError> {
        match self.store.delete(&Path::from(path)).await.map_err(ObjectError::from) {
            Err(ObjectError::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Paths of all objects below `prefix`.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let prefix = Path::from(prefix);
        let found = self.store.list(Some(&prefix)).map_ok(|meta| meta.location.to_string());
        Ok(found.try_collect().await?)
    }

    /// Deletes everything below `prefix`.
    pub async fn delete_below(&self, prefix: &str) -> Result<(), ObjectError> {
        for path in self.list(prefix).await? {
            self.delete(&path).await?;
        }
        Ok(())
    }

    /// Removes what uploads that were killed in the middle left, where it is older than this, and the
    /// folders that it leaves empty; answers how many files. [`Objects::list`] does not show them.
    pub async fn remove_stale_uploads(&self, older_than: Duration) -> Result<usize, ObjectError> {
        let root = self.root.clone();
        let removed = tokio::task::spawn_blocking(move || remove_stale(&root, 0, older_than)).await;
        removed.map_err(|error| folder_error(error.into()))?.map_err(folder_error)
    }
}

/// The data folder above is open to the account of the database where the program is root, and files
/// are made as the umask says, so this folder is what keeps them to the program.
fn make_private(folder: &FsPath) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = std::fs::metadata(folder)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => unless_foreign(std::fs::set_permissions(folder, Permissions::from_mode(0o700))),
    }
}

fn unless_foreign(outcome: std::io::Result<()>) -> std::io::Result<()> {
    match outcome {
        Err(error) if error.kind() == IoErrorKind::PermissionDenied => {
            tracing::warn!(error = %error, "the folder of files may be open to other accounts");
            Ok(())
        }
        outcome => outcome,
    }
}

fn folder_error(source: std::io::Error) -> ObjectError {
    ObjectError::from(object_store::Error::Generic { store: "folder", source: source.into() })
}

/// Clears up a folder that lies so deep below the root; answers how many files it removed.
fn remove_stale(folder: &FsPath, depth: usize, older_than: Duration) -> std::io::Result<usize> {
    // Others remove files and folders at the same time.
    let Some(entries) = unless_gone(std::fs::read_dir(folder))? else { return Ok(0) };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let Some(kind) = unless_gone(entry.file_type())? else { continue };
        let is_upload = kind.is_file() && is_staged(&entry.file_name().to_string_lossy());
        if !kind.is_dir() && !is_upload {
            continue;
        }
        // Taken before anything in a folder is removed, which makes it young.
        let Some(found) = unless_gone(entry.metadata())? else { continue };
        let is_stale = found.modified()?.elapsed().is_ok_and(|age| age > older_than);
        let path = entry.path();
        if kind.is_dir() {
            removed += remove_stale(&path, depth + 1, older_than)?;
            // One that a writer has just made is not stale, and one with something in it is refused.
            // Those right below the root may be the file system's own, as `lost+found` is.
            if is_stale && depth > 0 {
                let _not_empty = std::fs::remove_dir(&path);
            }
        } else if is_stale && unless_gone(std::fs::remove_file(&path))?.is_some() {
            removed += 1;
        }
    }
    Ok(removed)
}

fn unless_gone<T>(outcome: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Whether a file's name is one that an upload has until it is complete: `name#1`.
fn is_staged(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

async fn copy<S, E>(
    writer: &mut WriteMultipart,
    stream: S,
    limit: u64,
) -> Result<StoredObject, ObjectError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<BoxError>,
{
    let mut stream = std::pin::pin!(stream);
    let mut hash = Sha256::new();
    let mut size = 0u64;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| ObjectError::Source(error.into()))?;
        size += chunk.len() as u64;
        if size > limit {
            return Err(ObjectError::TooLarge { limit });
        }
        hash.update(&chunk);
        writer.wait_for_capacity(4).await?;
        writer.put(chunk);
    }
    Ok(StoredObject { size, sha256: hash.finalize().into() })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn the_folder_is_closed_to_others_also_one_that_was_open() {
        let folder = tempfile::tempdir().unwrap();
        let (made, open) = (folder.path().join("made/objects"), folder.path().join("open"));
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        for root in [made, open] {
            Objects::folder(&root).unwrap();
            assert_eq!(std::fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_of_another_account_is_used_as_it_is() {
        unless_foreign(Err(IoErrorKind::PermissionDenied.into())).unwrap();
        unless_foreign(Err(IoErrorKind::ReadOnlyFilesystem.into())).unwrap_err();
    }

    #[tokio::test]
    async fn only_old_remains_of_uploads_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(folder.path()).unwrap();
        // An upload that is never finished: its file is what the store names it.
        let upload = objects.store.put_multipart(&Path::from("a/b/killed")).await.unwrap();
        std::mem::forget(upload);
        for name in ["a/b/young#2", "a/b/original", "a/b/x#y"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        for name in ["a/b/killed#1", "a/b/original", "a/b/x#y"] {
            let file = std::fs::File::options().write(true).open(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(7_200)).unwrap();
        }
        let hour = Duration::from_secs(3_600);
        assert_eq!(objects.remove_stale_uploads(hour).await.unwrap(), 1);
        assert!(!folder.path().join("a/b/killed#1").exists());
        assert_eq!(std::fs::read_dir(folder.path().join("a/b")).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn old_folders_in_which_nothing_is_left_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(folder.path()).unwrap();
        for name in ["a/killed/x", "a/empty/y", "a/young/z", "a/full/v", "lost+found"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["a/killed/x/original#1", "a/full/v/original"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        // All but `a/young/z`, which somebody has just made to put a file into it.
        for name in [
            "a/killed/x/original#1",
            "a/killed/x",
            "a/killed",
            "a/empty/y",
            "a/empty",
            "a/young",
            "a/full/v/original",
            "a/full/v",
            "a/full",
            "a",
            "lost+found",
        ] {
            let file = std::fs::File::open(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(7_200)).unwrap();
        }
        let hour = Duration::from_secs(3_600);
        assert_eq!(objects.remove_stale_uploads(hour).await.unwrap(), 1);
        for (name, stays) in [
            ("a/killed", false),
            ("a/empty", false),
            ("a/young/z", true),
            ("a/full/v/original", true),
            ("lost+found", true),
        ] {
            assert_eq!(folder.path().join(name).exists(), stays, "{name}");
        }
    }
}
