use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One page of a list, newest first unless the list says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// Pass as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of `limit` rows from `limit + 1` fetched ones; the surplus row only tells that
    /// there is another page.
    pub fn from_rows(mut rows: Vec<T>, limit: i64, cursor_of: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more { rows.last().map(|row| cursor_of(row).encode()) } else { None };
        Self { items: rows, next_cursor }
    }

    /// The same page with every row converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next_cursor: self.next_cursor }
    }
}

/// The end of the year 9999 in microseconds: no row of ours is of a later or of a negative time,
/// and not every such time is one of PostgreSQL's.
const YEAR_10000: i64 = 253_402_300_800_000_000;

/// Where a page ends: the sort key and the id of its last row (keyset paging).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The row's sort time.
    pub at: DateTime<Utc>,
    /// The row's id, which breaks ties.
    pub id: Uuid,
}

/// A cursor that was not given out by this program.
#[derive(Debug, thiserror::Error)]
#[error("the cursor is not one that was given out")]
pub struct CursorError;

impl Cursor {
    /// The opaque text form.
    pub fn encode(&self) -> String {
        let mut bytes = [0u8; 24];
        bytes[..8].copy_from_slice(&self.at.timestamp_micros().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the text form back.
    pub fn decode(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let bytes: [u8; 24] = bytes.try_into().map_err(|_| CursorError)?;
        let (micros, id) = bytes.split_at(8);
        let micros = i64::from_be_bytes(micros.try_into().map_err(|_| CursorError)?);
        let id = Uuid::from_slice(id).map_err(|_| CursorError)?;
        if !(0..YEAR_10000).contains(&micros) {
            return Err(CursorError);
        }
        let at = DateTime::from_timestamp_micros(micros).ok_or(CursorError)?;
        Ok(Self { at, id })
    }
}

/// The page that a caller asks for.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// Rows wanted, within 1 and [`PageRequest::MAX_LIMIT`].
    pub limit: i64,
    /// Rows after this one; the first page where absent.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Rows where the caller names no number.
    pub const DEFAULT_LIMIT: i64 = 50;
    /// The most rows one page holds.
    pub const MAX_LIMIT: i64 = 200;

    /// Reads what came in the query string. The limit is clamped, a foreign cursor refused.
    pub fn parse(limit: Option<i64>, cursor: Option<&str>) -> Result<Self, CursorError> {
        Ok(Self {
            limit: limit.unwrap_or(Self::DEFAULT_LIMIT).clamp(1, Self::MAX_LIMIT),
            after: cursor.map(Cursor::decode).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursor_survives_the_round_trip(micros in 0i64..4_000_000_000_000_000, id: u128) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let cursor = Cursor { at, id: Uuid::from_u128(id) };
            prop_assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        }

        #[test]
        fn garbage_is_refused_not_panicked_on(text in ".{0,64}") {
            if let Ok(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }

    #[test]
    fn surplus_row_becomes_the_cursor_of_the_last_shown() {
        let rows: Vec<u128> = vec![3, 2, 1];
        let at = DateTime::from_timestamp_micros(0).unwrap();
        let cursor = |id: &u128| Cursor { at, id: Uuid::from_u128(*id) };
        let page = Page::from_rows(rows, 2, cursor);
        assert_eq!(page.items, vec![3, 2]);
        assert_eq!(page.next_cursor, Some(cursor(&2).encode()));
        assert_eq!(Page::from_rows(vec![1u128], 2, cursor).next_cursor, None);
    }
}
