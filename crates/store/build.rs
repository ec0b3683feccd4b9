//! Finds the PostgreSQL archive that the program carries, and watches the migrations.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    // `sqlx::migrate!` reads this folder; cargo cannot know it.
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=build.rs");
    for variable in ["LYCEUM_POSTGRES_ARCHIVE", "LYCEUM_CACHE", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let archive = match variable("LYCEUM_POSTGRES_ARCHIVE") {
        Some(path) => {
            println!("cargo:rerun-if-changed={}", path.display());
            Some(path)
        }
        None => default_archive(),
    };
    let archive = archive.filter(|path| path.is_file());
    let code = match &archive {
        Some(path) => format!("Some(include_bytes!({path:?}))"),
        None => "None".to_owned(),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = fs::write(out.join("postgres_archive.rs"), code) {
        println!("cargo:error=cannot write into {}: {error}", out.display());
    }
}

/// The place where `script/bootstrap` leaves the archive. Its folder is watched rather than the
/// file: cargo takes a missing file for a changed one and would build anew each time.
fn default_archive() -> Option<PathBuf> {
    let cache = variable("LYCEUM_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("lyceum")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/lyceum")))?;
    let folder = cache.join("postgres");
    fs::create_dir_all(&folder).ok()?;
    println!("cargo:rerun-if-changed={}", folder.display());
    Some(Path::new(&folder).join("postgres.zip"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
