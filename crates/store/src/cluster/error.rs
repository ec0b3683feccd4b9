use std::io;
use std::path::{Path, PathBuf};

/// Why the private PostgreSQL cluster does not run. The texts are for the person who starts the
/// program.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The program was built without PostgreSQL and none was named.
    #[error(
        "this program carries no PostgreSQL. Set DATABASE_URL to a PostgreSQL server (15 or newer, \
         with pgvector), or POSTGRES_BIN to the folder of such a server's programs, or build with \
         script/server, which puts PostgreSQL inside"
    )]
    NoBinaries,
    /// The PostgreSQL programs cannot be used.
    #[error("PostgreSQL in {path} cannot be used: {reason}")]
    Binaries {
        /// The folder of the programs.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The archive inside the program is not the one it was built for.
    #[error("the PostgreSQL archive in this program is damaged: {0}. Build the program again")]
    Archive(String),
    /// Another program has the data folder.
    #[error(
        "the data folder {path} is in use by process {pid}. Stop that one first, or choose another \
         data folder for this one"
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// Who holds it, or "unknown".
        pid: String,
    },
    /// The data was made by another major version of PostgreSQL.
    #[error(
        "the database in {path} was made by PostgreSQL {data}, but the programs are PostgreSQL \
         {binaries}. Start with POSTGRES_BIN set to a PostgreSQL {data}, take a pg_dump, and load \
         it into a new data folder"
    )]
    VersionMismatch {
        /// The folder with the database.
        path: PathBuf,
        /// The major version that made the data.
        data: String,
        /// The major version of the programs.
        binaries: String,
    },
    /// There is no unprivileged account to run PostgreSQL as.
    #[error("PostgreSQL must not run as root, and no other account can be used: {0}")]
    Account(String),
    /// The unprivileged account cannot reach the data folder.
    #[error(
        "PostgreSQL runs as the user '{user}', which may not enter {path}. Choose a data folder \
         that every user can reach, such as /var/lib/lyceum, or allow it with chmod o+x"
    )]
    Unreachable {
        /// The first folder that is closed.
        path: PathBuf,
        /// The account.
        user: String,
    },
    /// A file or folder of the cluster.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("the database cannot be initialised: {0}")]
    Initialise(String),
    /// The server did not start.
    #[error("PostgreSQL did not start: {0}")]
    Start(String),
    /// The server runs but refuses what it is told.
    #[error("the private PostgreSQL refuses: {0}")]
    Sql(#[from] sqlx::Error),
}

impl ClusterError {
    /// For `map_err`: an error of the system, with the file that it is about.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}
