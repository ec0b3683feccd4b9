//! Telling calls of tools apart that come in parallel.

use super::wire::ToolCallChunk;

/// The calls of one answer, as they come. Servers number them, but not all: some say 0 of every call,
/// and some nothing at all.
#[derive(Debug, Default)]
pub struct Calls(Vec<Known>);

#[derive(Debug)]
struct Known {
    number: u32,
    /// What the server says.
    index: Option<u32>,
    id: Option<String>,
}

impl Calls {
    /// The number of the call that a piece belongs to: the server's own, unless another call has it.
    pub fn number(&mut self, piece: &ToolCallChunk) -> u32 {
        let id = said(piece.id.as_deref());
        let named = said(piece.function.name.as_deref()).is_some();
        if let Some(known) = self.find(piece.index, id)
            && !begins_anew(known, piece.index, id, named)
        {
            if known.id.is_none() {
                known.id = id.map(str::to_owned);
            }
            return known.number;
        }
        let number = piece.index.unwrap_or(0);
        let taken = self.0.iter().any(|known| known.number == number);
        let next = self.0.iter().map(|known| known.number.saturating_add(1)).max();
        let number = next.filter(|_| taken).unwrap_or(number);
        self.0.push(Known { number, index: piece.index, id: id.map(str::to_owned) });
        number
    }

    /// The call of this id, unless the server numbers it otherwise; else the latest that it numbers so,
    /// or the latest of all.
    fn find(&mut self, index: Option<u32>, id: Option<&str>) -> Option<&mut Known> {
        let fits = |known: &Known| index.is_none() || known.index.is_none() || known.index == index;
        let same_id = |known: &Known| id.is_some() && known.id.as_deref() == id && fits(known);
        let same_index = |known: &Known| index.is_none() || known.index == index;
        let place = self.0.iter().rposition(same_id);
        let place = place.or_else(|| self.0.iter().rposition(same_index))?;
        self.0.get_mut(place)
    }
}

/// Whether a piece begins another call than the one that it seems to belong to. An id alone does not:
/// older servers give each piece of one call an id of its own.
fn begins_anew(known: &Known, index: Option<u32>, id: Option<&str>, named: bool) -> bool {
    let other_id = known.id.is_some() && id.is_some() && known.id.as_deref() != id;
    let without_any = index.is_none() && id.is_none();
    named && (other_id || without_any)
}

fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn numbers(pieces: Value) -> Vec<u32> {
        let pieces: Vec<ToolCallChunk> = serde_json::from_value(pieces).unwrap();
        let mut calls = Calls::default();
        pieces.iter().map(|piece| calls.number(piece)).collect()
    }

    #[test]
    fn calls_are_told_apart_however_they_are_numbered() {
        let piece = |index: Value, id: Value, name: Value| json!({"index": index, "id": id, "function": {"name": name, "arguments": "{}"}});
        let nothing = Value::Null;
        let more = |index: Value| piece(index, Value::Null, Value::Null);
        for (pieces, expected) in [
            // As documented.
            (
                json!([
                    piece(json!(0), json!("a"), json!("f")),
                    more(json!(0)),
                    piece(json!(1), json!("b"), json!("f")),
                    more(json!(0)),
                    more(json!(1))
                ]),
                vec![0, 0, 1, 0, 1],
            ),
            // 0 of every call, as older Ollamas and Grok.
            (
                json!([
                    piece(json!(0), json!("a"), json!("f")),
                    more(json!(0)),
                    piece(json!(0), json!("b"), json!("f")),
                    more(json!(0))
                ]),
                vec![0, 0, 1, 1],
            ),
            // No number at all.
            (
                json!([
                    piece(nothing.clone(), json!("a"), json!("f")),
                    more(nothing.clone()),
                    piece(nothing.clone(), json!("b"), json!("f")),
                    more(nothing.clone()),
                    piece(nothing.clone(), json!("a"), nothing.clone())
                ]),
                vec![0, 0, 1, 1, 0],
            ),
            // Neither number nor id.
            (
                json!([
                    piece(nothing.clone(), nothing.clone(), json!("f")),
                    piece(nothing.clone(), nothing.clone(), json!("g"))
                ]),
                vec![0, 1],
            ),
            // An empty id goes on, as with Qwen; so does another id without a name, as with older vLLMs.
            (
                json!([
                    piece(json!(0), json!("a"), json!("f")),
                    piece(json!(0), json!(""), json!("")),
                    piece(json!(0), json!("b"), nothing.clone())
                ]),
                vec![0, 0, 0],
            ),
            // Every piece has it all.
            (
                json!([
                    piece(json!(0), json!("a"), json!("f")),
                    piece(json!(0), json!("a"), json!("f"))
                ]),
                vec![0, 0],
            ),
            // One id of several calls.
            (
                json!([
                    piece(json!(0), json!("a"), json!("f")),
                    piece(json!(1), json!("a"), json!("g")),
                    more(json!(1))
                ]),
                vec![0, 1, 1],
            ),
            // Numbers that begin elsewhere stay.
            (
                json!([
                    piece(json!(1), json!("a"), json!("f")),
                    piece(json!(2), json!("b"), json!("f"))
                ]),
                vec![1, 2],
            ),
        ] {
            assert_eq!(numbers(pieces.clone()), expected, "{pieces}");
        }
    }
}
