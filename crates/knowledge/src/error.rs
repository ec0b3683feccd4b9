use std::time::Duration;

use lyceum_core::{ErrorKind, Problem};
use lyceum_gateway::GatewayError;
use lyceum_store::{ObjectError, StoreError};
use serde_json::{Map, Value, json};

use crate::parse::Format;

/// What can go wrong with knowledge bases and their documents.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// There is no such object for this caller.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The caller may see the knowledge base, but not change it.
    #[error("the caller may not change the knowledge base")]
    ReadOnly,
    /// Another knowledge base of the same owner has the name.
    #[error("the name is taken")]
    NameTaken,
    /// The knowledge base is shared with as many as can be.
    #[error("the knowledge base is shared with {0}, which is the limit")]
    TooManyGrants(i64),
    /// A field's value is not acceptable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The form has no file.
    #[error("no part named `file`")]
    NoFile,
    /// The form cannot be read.
    #[error("the form cannot be read: {0}")]
    Form(String),
    /// A file of 0 bytes.
    #[error("the file is empty")]
    EmptyFile,
    /// A kind of file that cannot be read.
    #[error("unsupported file")]
    UnsupportedType,
    /// Retrying makes sense only after a failure.
    #[error("the document has not failed")]
    NotFailed,
    /// The file is more than the storage quota of its uploader, their group or their key leaves.
    #[error("a storage quota is exceeded")]
    StorageQuota(StorageQuota),
    /// The file store failed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The embedding model failed.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The model's vectors have another length than the knowledge base's.
    #[error("the embedding model answers vectors of {found} instead of {expected} numbers")]
    Dimension {
        /// Of the knowledge base.
        expected: usize,
        /// Of the model.
        found: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which storage quota a file is too large for; bytes.
#[derive(Debug, Default, serde::Deserialize)]
pub struct StorageQuota {
    scope: String,
    limit: i64,
    used: i64,
    wanted: i64,
}

impl StorageQuota {
    /// What the database says with its refusal.
    fn of(error: &sqlx::Error) -> Self {
        error
            .as_database_error()
            .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
            .and_then(|error| serde_json::from_str(error.detail()?).ok())
            .unwrap_or_default()
    }

    fn detail(&self) -> String {
        let (whose, has) = match self.scope.as_str() {
            "group" => ("Your group", "has"),
            "api_key" => ("This API key", "has"),
            _ => ("You", "have"),
        };
        format!(
            "{whose} may store {} bytes of documents and {has} {}; this file has {}. Delete \
             documents, or ask an administrator for more.",
            self.limit, self.used, self.wanted
        )
    }
}

impl From<sqlx::Error> for KnowledgeError {
    fn from(error: sqlx::Error) -> Self {
        match lyceum_store::constraint(&error) {
            Some("knowledge_bases_name") => KnowledgeError::NameTaken,
            Some("storage_quota") => KnowledgeError::StorageQuota(StorageQuota::of(&error)),
            _ => KnowledgeError::Store(error.into()),
        }
    }
}

impl Problem for KnowledgeError {
    fn kind(&self) -> ErrorKind {
        match self {
            KnowledgeError::NotFound(_) => ErrorKind::NotFound,
            KnowledgeError::ReadOnly => ErrorKind::Forbidden,
            KnowledgeError::NameTaken
            | KnowledgeError::TooManyGrants(_)
            | KnowledgeError::NotFailed => ErrorKind::Conflict,
            KnowledgeError::Invalid { .. } | KnowledgeError::EmptyFile => ErrorKind::Invalid,
            KnowledgeError::NoFile | KnowledgeError::Form(_) => ErrorKind::BadRequest,
            KnowledgeError::UnsupportedType => ErrorKind::UnsupportedMedia,
            KnowledgeError::Dimension { .. } => ErrorKind::Upstream,
            KnowledgeError::StorageQuota(_) => ErrorKind::TooLarge,
            KnowledgeError::Object(error) => error.kind(),
            KnowledgeError::Gateway(error) => error.kind(),
            KnowledgeError::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            KnowledgeError::NotFound(_) => "not_found",
            KnowledgeError::ReadOnly => "read_only",
            KnowledgeError::NameTaken => "name_taken",
            KnowledgeError::TooManyGrants(_) => "too_many_grants",
            KnowledgeError::Invalid { .. } => "invalid_field",
            KnowledgeError::NoFile => "no_file",
            KnowledgeError::Form(_) => "malformed_form",
            KnowledgeError::EmptyFile => "empty_file",
            KnowledgeError::UnsupportedType => "unsupported_type",
            KnowledgeError::NotFailed => "not_failed",
            KnowledgeError::Dimension { .. } => "embedding_dimension",
            KnowledgeError::StorageQuota(_) => "storage_quota_exceeded",
            KnowledgeError::Object(error) => error.code(),
            KnowledgeError::Gateway(error) => error.code(),
            KnowledgeError::Store(error) => error.code(),
        }
    }

    fn detail(&self) -> String {
        match self {
            KnowledgeError::NotFound(what) => format!("There is no such {what}."),
            KnowledgeError::ReadOnly => "You may read this knowledge base, not change it.".into(),
            KnowledgeError::NameTaken => "You have a knowledge base of this name already.".into(),
            KnowledgeError::TooManyGrants(limit) => format!(
                "It is shared with {limit} people and groups, which is the limit; use a group."
            ),
            KnowledgeError::Invalid { field, reason } => format!("{field}: {reason}"),
            KnowledgeError::NoFile => "Send the file as a form part named `file`.".into(),
            KnowledgeError::Form(reason) => format!("The form cannot be read: {reason}"),
            KnowledgeError::EmptyFile => "The file is empty (0 bytes).".into(),
            KnowledgeError::UnsupportedType => {
                format!(
                    "This kind of file cannot be read; supported are {}.",
                    supported().join(", ")
                )
            }
            KnowledgeError::NotFailed => "Only a document that failed can be retried.".into(),
            KnowledgeError::Dimension { .. } => {
                "The embedding model is not the one that this knowledge base was made with.".into()
            }
            KnowledgeError::StorageQuota(quota) => quota.detail(),
            KnowledgeError::Object(error) => error.detail(),
            KnowledgeError::Gateway(error) => error.detail(),
            KnowledgeError::Store(error) => error.detail(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            KnowledgeError::Gateway(error) => error.retry_after(),
            KnowledgeError::Store(error) => error.retry_after(),
            _ => None,
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        match self {
            KnowledgeError::UnsupportedType => {
                Map::from_iter([("supported".to_owned(), json!(supported()))])
            }
            KnowledgeError::Gateway(error) => error.extensions(),
            KnowledgeError::StorageQuota(quota) => Map::from_iter([
                ("scope".to_owned(), json!(quota.scope)),
                ("limit".to_owned(), json!(quota.limit)),
                ("used".to_owned(), json!(quota.used)),
            ]),
            _ => Map::new(),
        }
    }
}

fn supported() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.extension()).collect()
}
