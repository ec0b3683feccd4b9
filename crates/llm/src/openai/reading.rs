//! Reading what providers really send where the documentation says something else.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::ToolCallChunk;
use crate::FinishReason;

/// `null` and absent both read as the default.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// What has another form than it should reads as the default: an answer that is passed on must not
/// fail for a member that nobody here needs.
pub fn readable<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    // Of a member that comes twice the last one counts.
    let anew = |_| serde_json::from_str::<Value>(raw.get()).and_then(serde_json::from_value);
    Ok(serde_json::from_str(raw.get()).or_else(anew).unwrap_or_default())
}

/// Why an answer ended. Some servers say nothing in an empty word, in every piece before the last.
pub fn finish_reason<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<FinishReason>, D::Error> {
    let reason: Option<FinishReason> = readable(deserializer)?;
    let says_nothing = |reason: &FinishReason| match reason {
        FinishReason::Other(word) => matches!(word.as_str(), "" | "null"),
        _ => false,
    };
    Ok(reason.filter(|reason| !says_nothing(reason)))
}

/// Pieces of tool calls. Spark puts no list around one.
pub(super) fn calls<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ToolCallChunk>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::Object(call) if call.contains_key("function") => {
            Value::Array(vec![Value::Object(call)])
        }
        value => value,
    };
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// A count, also where it is written as a fraction; what is no number counts as nothing.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_f64().map(|number| number as u64));
    Ok(number.unwrap_or_default())
}

/// A text, or the JSON text of what is none.
pub(super) fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// What a message says: mostly one text, with some providers a list of parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    /// What the model thinks, which Mistral gives as parts among the others.
    pub(super) thinking: String,
}

impl Words {
    pub(super) fn whole(self) -> String {
        self.text + &self.thinking
    }

    fn append(&mut self, more: Self) {
        self.text.push_str(&more.text);
        self.thinking.push_str(&more.thinking);
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(Words { text: text.to_owned(), thinking: String::new() })
    }

    fn visit_string<E>(self, text: String) -> Result<Words, E> {
        Ok(Words { text, thinking: String::new() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Words, A::Error> {
        let mut words = Words::default();
        while let Some(part) = parts.next_element::<Words>()? {
            words.append(part);
        }
        Ok(words)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<Words, A::Error> {
        let mut words = Words::default();
        while let Some(name) = part.next_key::<String>()? {
            match name.as_str() {
                "text" | "refusal" => words.text.push_str(&part.next_value::<Words>()?.whole()),
                "thinking" => words.thinking.push_str(&part.next_value::<Words>()?.whole()),
                _ => {
                    part.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(words)
    }

    fn visit_unit<E>(self) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Words, E> {
        Ok(Words::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_says_twice_is_read_and_what_has_no_known_form_is_the_default() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        struct Count {
            tokens: u64,
        }
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default, deserialize_with = "readable")]
            usage: Option<Count>,
        }
        let read = |text: &str| serde_json::from_str::<Answer>(text).unwrap().usage;
        assert_eq!(read(r#"{"usage": {"tokens": 1}}"#), Some(Count { tokens: 1 }));
        assert_eq!(read(r#"{"usage": {"tokens": 1, "tokens": 2}}"#), Some(Count { tokens: 2 }));
        for other in ["null", "7", r#"{"tokens": "many"}"#, "[]"] {
            assert_eq!(read(&format!("{{\"usage\": {other}}}")), None, "{other}");
        }
    }

    #[test]
    fn words_are_found_in_every_form() {
        for (json, text, thinking) in [
            (r#""hi""#, "hi", ""),
            (r#"[{"type":"text","text":"a"},"b",{"type":"text","text":"c"}]"#, "abc", ""),
            (
                r#"[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},
                    {"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]"#,
                "a",
                "hm",
            ),
            (r#"[{"type":"thinking","thinking":"hm","closed":true}]"#, "", "hm"),
            ("7", "", ""),
            ("-7", "", ""),
            ("0.5", "", ""),
            ("true", "", ""),
            ("[null]", "", ""),
            (r#"{"other":{"text":"no"}}"#, "", ""),
        ] {
            let words: Words = serde_json::from_str(json).unwrap();
            assert_eq!((words.text.as_str(), words.thinking.as_str()), (text, thinking), "{json}");
        }
    }
}
