use uuid::Uuid;

/// A new time-ordered identifier (UUID version 7), the key of every row.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes identifiers")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
