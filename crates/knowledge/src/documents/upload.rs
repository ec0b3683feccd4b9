use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::StatusCode;
use lyceum_core::BoxError;
use lyceum_http::Caller;
use lyceum_store::{ObjectError, StoredObject};
use uuid::Uuid;

use super::{Document, enqueue_ingest, ingest_job, label, store};
use crate::parse::{Format, HEAD_BYTES, sniff};
use crate::{Knowledge, KnowledgeError};

/// Whether an upload made a document or found the one that has the same bytes.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The document.
    pub document: Document,
    /// Whether it is new.
    pub new: bool,
}

/// The path of a document's file; its id also tells when it was stored.
pub(crate) fn path_of(base: Uuid, document: Uuid) -> String {
    format!("documents/{base}/{document}/original")
}

impl Knowledge {
    /// Stores the form's part `file` and queues it for ingestion.
    pub(crate) async fn upload_form(
        &self,
        caller: &Caller,
        base: Uuid,
        mut form: Multipart,
    ) -> Result<Uploaded, KnowledgeError> {
        // Asked before a byte of the file is read.
        let mut tx = self.db.begin_as(caller.user_id).await?;
        store::editable_base(&mut tx, base).await?;
        tx.commit().await?;
        while let Some(field) = form.next_field().await.map_err(|error| self.unreadable(error))? {
            if field.name() == Some("file") {
                return self.upload_field(caller, base, field).await;
            }
        }
        Err(KnowledgeError::NoFile)
    }

    async fn upload_field(
        &self,
        caller: &Caller,
        base: Uuid,
        mut field: Field<'_>,
    ) -> Result<Uploaded, KnowledgeError> {
        let filename = label::filename(field.file_name().unwrap_or_default());
        let mut head: Vec<Bytes> = Vec::new();
        let mut seen = Vec::with_capacity(HEAD_BYTES);
        while seen.len() < HEAD_BYTES {
            let Some(bytes) = field.chunk().await.map_err(|error| self.unreadable(error))? else {
                break;
            };
            seen.extend_from_slice(&bytes);
            head.push(bytes);
        }
        if seen.is_empty() {
            return Err(KnowledgeError::EmptyFile);
        }
        let kind = sniff(&seen[..seen.len().min(HEAD_BYTES)], &filename);
        drop(seen);
        let format = kind.ok_or(KnowledgeError::UnsupportedType)?;
        let rest = field.map(|part| part.map_err(BoxError::from));
        let all = stream::iter(head.into_iter().map(Ok)).chain(rest);
        self.upload_stream(caller, base, &filename, format, all).await
    }

    async fn upload_stream(
        &self,
        caller: &Caller,
        base: Uuid,
        filename: &str,
        format: Format,
        bytes: impl Stream<Item = Result<Bytes, BoxError>> + Send,
    ) -> Result<Uploaded, KnowledgeError> {
        let id = lyceum_core::new_id();
        let path = path_of(base, id);
        let stored = self.objects.put(&path, bytes, self.settings().max_file_bytes).await;
        let stored = stored.map_err(|error| self.of_transport(error))?;
        let outcome = self.register(caller, base, id, filename, format, &path, &stored).await;
        if !matches!(&outcome, Ok(uploaded) if uploaded.new)
            && let Err(error) = self.objects.delete(&path).await
        {
            // The sweep finds it again.
            tracing::warn!(%error, path, "a file that no document needs was not removed");
        }
        outcome
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one file, used once")]
    async fn register(
        &self,
        caller: &Caller,
        base: Uuid,
        id: Uuid,
        filename: &str,
        format: Format,
        path: &str,
        stored: &StoredObject,
    ) -> Result<Uploaded, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        // Again, as the base may have gone while the file came.
        let owner = store::editable_base(&mut tx, base).await?;
        let new = store::NewDocument {
            id,
            base,
            uploader: caller.user_id,
            api_key: caller.credential.api_key_id(),
            title: &label::title(filename),
            filename,
            path,
            size: i64::try_from(stored.size).unwrap_or(i64::MAX),
            mime_type: format.mime_type(),
            hash: &stored.sha256,
            now: self.clock.now(),
        };
        if store::insert(&mut tx, &new).await? {
            enqueue_ingest(&mut tx, &ingest_job(caller, id, owner)).await?;
            let document = store::find(&mut tx, id).await?;
            tx.commit().await?;
            let document = document.ok_or(KnowledgeError::NotFound("document"))?;
            return Ok(Uploaded { document, new: true });
        }
        let existing = store::find_by_hash(&mut tx, base, &stored.sha256).await?;
        let document = existing.ok_or(KnowledgeError::NotFound("document"))?;
        Ok(Uploaded { document, new: false })
    }

    /// A limit of the HTTP layer is the same to the caller as ours.
    fn unreadable(&self, error: MultipartError) -> KnowledgeError {
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return ObjectError::TooLarge { limit: self.settings().max_file_bytes }.into();
        }
        KnowledgeError::Form(error.body_text())
    }

    fn of_transport(&self, error: ObjectError) -> KnowledgeError {
        match error {
            ObjectError::Source(source) => match source.downcast::<MultipartError>() {
                Ok(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    self.unreadable(*error)
                }
                Ok(error) => ObjectError::Source(error).into(),
                Err(source) => ObjectError::Source(source).into(),
            },
            error => error.into(),
        }
    }
}
