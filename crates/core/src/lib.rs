//! Vocabulary that every other crate shares: ids, time, pages, secrets, permissions and the kinds
//! of error. Does no IO and knows no domain.

mod clock;
mod error;
mod id;
mod misread;
mod page;
mod permission;
mod program;
mod secret;
mod trace;

pub use clock::Clock;
pub use error::{BoxError, ErrorKind, Problem, causes, chain};
pub use id::new_id;
pub use misread::Misread;
pub use page::{Cursor, CursorError, Page, PageRequest};
pub use permission::{Permission, PermissionError, PermissionSet};
pub use program::THIS_PROGRAM;
pub use secret::Secret;
pub use trace::TRACE;
