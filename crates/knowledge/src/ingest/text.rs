use futures::TryStreamExt as _;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::store::{self, Job as Document};
use super::{IngestDocument, Stop};
use crate::parse::ParsedPage;
use crate::{Knowledge, KnowledgeError};

/// Pages on their way from the parser to the database.
const WAITING_PAGES: usize = 16;
/// Pages or bytes that are written in one transaction.
const PAGES: usize = 50;
const BYTES: usize = 1_000_000;
/// Places that could not be read which are told, and the characters of one.
const UNREAD: usize = 100;
const UNREAD_CHARS: usize = 100;

impl Knowledge {
    /// Extracts the text and writes it page by page. All of it is there, or the stage stays
    /// `parsing` and the next attempt begins anew.
    pub(super) async fn read_text(
        &self,
        job: &IngestDocument,
        document: &Document,
    ) -> Result<(), Stop> {
        let file = self.local_copy(&document.file_path).await?;
        let (sender, receiver) = mpsc::channel(WAITING_PAGES);
        let parse = self.parser.parse(file, &document.filename, sender);
        let write = self.write_pages(job, document, receiver);
        let (parsed, written) = tokio::join!(parse, write);
        // A failure to write also ends the parser, whose error is then only a consequence.
        written?;
        let parsed = parsed?;
        let title = parsed.title.filter(|title| !title.trim().is_empty());
        let title: Option<String> = title.map(|title| title.chars().take(300).collect());
        let unread = parsed.unread.into_iter().take(UNREAD);
        let read = store::ReadText {
            title: title.as_deref(),
            mime_type: &parsed.mime_type,
            pages: i32::try_from(parsed.page_count).unwrap_or(i32::MAX),
            unread: unread.map(|place| label(&place)).collect(),
        };
        let mut tx = self.db.begin_as(job.owner_id).await?;
        if !store::text_complete(&mut tx, job.document_id, &read).await? {
            return Err(Stop::Gone);
        }
        tx.commit().await?;
        Ok(())
    }

    /// The file on this machine, without a name.
    async fn local_copy(&self, path: &str) -> Result<std::fs::File, Stop> {
        let failed = |error: std::io::Error| {
            tracing::error!(%error, "a document could not be copied to be read");
            let detail =
                "The file could not be copied to be read; the disk may be full.".to_owned();
            Stop::Later { code: "scratch_failed".to_owned(), detail }
        };
        let scratch = self.settings().scratch.clone();
        let file = tokio::task::spawn_blocking(move || match scratch {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        });
        let file = file.await.map_err(|error| failed(error.into()))?.map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut bytes = self.objects.get(path).await.map_err(KnowledgeError::from)?;
        while let Some(part) = bytes.try_next().await.map_err(KnowledgeError::from)? {
            file.write_all(&part).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)?;
        file.rewind().await.map_err(failed)?;
        Ok(file.into_std().await)
    }

    /// Writes the pages, some at a time.
    async fn write_pages(
        &self,
        job: &IngestDocument,
        document: &Document,
        mut pages: mpsc::Receiver<ParsedPage>,
    ) -> Result<(), Stop> {
        let mut tx = self.db.begin_as(job.owner_id).await?;
        store::clear_text(&mut tx, job.document_id).await?;
        tx.commit().await?;
        let mut batch: Vec<ParsedPage> = Vec::new();
        let mut bytes = 0;
        loop {
            let page = pages.recv().await;
            let last = page.is_none();
            bytes += page.as_ref().map_or(0, |page| page.text.len());
            batch.extend(page);
            if batch.len() >= PAGES || bytes >= BYTES || last && !batch.is_empty() {
                let mut tx = self.db.begin_as(job.owner_id).await?;
                store::add_text(&mut tx, document.base, job.document_id, &batch).await?;
                tx.commit().await?;
                batch.clear();
                bytes = 0;
            }
            if last {
                return Ok(());
            }
        }
    }
}

/// A place as it is told: what the parser says comes out of a file.
fn label(place: &str) -> String {
    place.chars().filter(|c| !c.is_control()).take(UNREAD_CHARS).collect()
}
