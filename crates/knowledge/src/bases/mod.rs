//! Knowledge bases themselves.

pub(crate) mod grants;
pub(crate) mod http;
pub(crate) mod store;

use chrono::{DateTime, Utc};
use lyceum_core::{Cursor, Page, PageRequest};
use lyceum_http::Caller;
use lyceum_jobs::EnqueueOptions;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Knowledge, KnowledgeError, PurgeKnowledgeBase};

/// A knowledge base.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnowledgeBase {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub owner_id: Uuid,
    /// Its name, unique among its owner's.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// The model that its chunks were embedded with, and questions are.
    pub embedding_model: String,
    /// Length of the vectors.
    pub vector_dimension: i32,
    /// Tokens of a chunk at most.
    pub chunk_size: i32,
    /// Tokens that neighbouring chunks share at most.
    pub chunk_overlap: i32,
    /// Documents in it.
    pub document_count: i64,
    /// Chunks of its completed documents.
    pub chunk_count: i64,
    /// Bytes of its documents' files.
    pub total_size: i64,
    /// `active`, `building` or `error`.
    pub status: String,
    /// `private` or `organization`.
    pub visibility: String,
    /// How far the caller reaches: `view` lists and reads, `use` also searches and asks, `edit` also
    /// uploads and deletes documents and shares, `own` also changes and deletes the base.
    pub level: String,
    /// Whether the caller may upload and delete documents.
    pub editable: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A page of knowledge bases.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KnowledgeBasePage {
    /// The newest first.
    pub items: Vec<KnowledgeBase>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A knowledge base to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKnowledgeBase {
    /// 1 to 100 characters, unique among the caller's.
    pub name: String,
    /// Up to 2000 characters.
    #[serde(default)]
    pub description: String,
    /// Name or id of an embedding model; the caller's default where absent. Cannot be changed.
    pub embedding_model: Option<String>,
    /// Tokens of a chunk at most, 64 to 8192; 512 where absent.
    pub chunk_size: Option<i32>,
    /// Tokens that neighbouring chunks share at most, up to half of `chunk_size`; 50 where absent.
    pub chunk_overlap: Option<i32>,
}

/// Changes of a knowledge base; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKnowledgeBase {
    /// 1 to 100 characters, unique among the owner's.
    pub name: Option<String>,
    /// Up to 2000 characters.
    pub description: Option<String>,
    /// `private`, or `organization` to let everybody use it.
    pub visibility: Option<String>,
}

/// Chunk sizes from which no sensible chunk comes are refused by these.
const CHUNK_SIZES: std::ops::RangeInclusive<i32> = 64..=8192;

impl Knowledge {
    /// Bases that the caller may see, the newest first.
    pub async fn list_bases(
        &self,
        caller: &Caller,
        page: PageRequest,
    ) -> Result<Page<KnowledgeBase>, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let rows = store::list(&mut tx, page).await?;
        Ok(Page::from_rows(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id }))
    }

    /// One base.
    pub async fn get_base(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<KnowledgeBase, KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let found = store::find(&mut tx, id).await?;
        found.ok_or(KnowledgeError::NotFound("knowledge base"))
    }

    /// Makes a base of the caller's own.
    pub async fn create_base(
        &self,
        caller: &Caller,
        new: NewKnowledgeBase,
    ) -> Result<KnowledgeBase, KnowledgeError> {
        let name = checked_name(&new.name)?;
        let description = checked_description(&new.description)?;
        let (size, overlap) = (new.chunk_size.unwrap_or(512), new.chunk_overlap);
        if !CHUNK_SIZES.contains(&size) {
            return Err(invalid("chunk_size", "must be from 64 to 8192"));
        }
        let overlap = overlap.unwrap_or_else(|| 50.min(size / 4));
        if !(0..=size / 2).contains(&overlap) {
            return Err(invalid("chunk_overlap", "must be from 0 to half of chunk_size"));
        }
        let model = self.embedding_model(caller, new.embedding_model.as_deref()).await?;
        if model.context_length.is_some_and(|length| size > length) {
            let reason = format!("{} reads at most {:?} tokens", model.name, model.context_length);
            return Err(KnowledgeError::Invalid { field: "chunk_size", reason });
        }
        let dimension = self.dimension_of(caller, &model).await?;
        if !(1..=4000).contains(&dimension) {
            return Err(invalid("embedding_model", "its vectors must have 1 to 4000 numbers"));
        }
        let row = store::NewBase {
            id: lyceum_core::new_id(),
            owner: caller.user_id,
            name,
            description,
            model: &model.name,
            model_config: model.id,
            dimension,
            size,
            overlap,
            now: self.clock.now(),
        };
        let mut tx = self.db.begin_as(caller.user_id).await?;
        store::insert(&mut tx, &row).await?;
        let made = store::find(&mut tx, row.id).await?;
        tx.commit().await?;
        made.ok_or(KnowledgeError::NotFound("knowledge base"))
    }

    /// Changes a base of the caller's own.
    pub async fn update_base(
        &self,
        caller: &Caller,
        id: Uuid,
        change: UpdateKnowledgeBase,
    ) -> Result<KnowledgeBase, KnowledgeError> {
        let name = change.name.as_deref().map(checked_name).transpose()?;
        let description = change.description.as_deref().map(checked_description).transpose()?;
        if !matches!(change.visibility.as_deref(), None | Some("private" | "organization")) {
            return Err(invalid("visibility", "must be private or organization"));
        }
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let visibility = change.visibility.as_deref();
        let changed =
            store::update(&mut tx, caller.user_id, id, name, description, visibility).await?;
        let found = store::find(&mut tx, id).await?;
        let found = found.ok_or(KnowledgeError::NotFound("knowledge base"))?;
        if !changed {
            return Err(KnowledgeError::ReadOnly);
        }
        tx.commit().await?;
        Ok(found)
    }

    /// Deletes a base of the caller's own with all its documents: gone at once for everybody,
    /// removed by a job.
    pub async fn delete_base(&self, caller: &Caller, id: Uuid) -> Result<(), KnowledgeError> {
        let mut tx = self.db.begin_as(caller.user_id).await?;
        let now = self.clock.now();
        if !store::mark_deleted(&mut tx, caller.user_id, id, now).await? {
            let seen = store::find(&mut tx, id).await?;
            return Err(match seen {
                Some(_) => KnowledgeError::ReadOnly,
                None => KnowledgeError::NotFound("knowledge base"),
            });
        }
        let key = Some(format!("knowledge.purge:{id}"));
        let options = EnqueueOptions { key, ..Default::default() };
        lyceum_jobs::enqueue(&mut tx, &PurgeKnowledgeBase { knowledge_base_id: id }, options)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

fn checked_name(name: &str) -> Result<&str, KnowledgeError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(invalid("name", "must have 1 to 100 characters"));
    }
    Ok(name)
}

fn checked_description(text: &str) -> Result<&str, KnowledgeError> {
    if text.chars().count() > 2000 || text.contains('\0') {
        return Err(invalid("description", "must have at most 2000 characters"));
    }
    Ok(text)
}

fn invalid(field: &'static str, reason: &str) -> KnowledgeError {
    KnowledgeError::Invalid { field, reason: reason.to_owned() }
}
