use serde::de::IgnoredAny;
use serde_json::Value;

use super::carry;
use crate::{ChatEvent, FinishReason, ToolCallDelta, Usage};

/// A part of an answer, in the order in which the parts began.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What the model says.
    Text(String),
    /// The words with which it refuses.
    Refusal(String),
    /// What it thinks.
    Reasoning(String),
    /// What the provider wants back with the call that follows, packed.
    Carried(String),
    /// A tool that it calls.
    Call(ToolCallDelta),
}

/// An answer as far as it has come.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The model that serves, where the provider named it.
    pub model: String,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub reason: FinishReason,
    /// The provider's count.
    pub usage: Option<Usage>,
    seed: String,
}

/// Where a piece of an answer belongs.
pub(super) struct Place {
    pub(super) index: usize,
    /// Whether the part begins with it.
    pub(super) begins: bool,
}

impl Answer {
    /// An empty answer; calls without an id get one that is made from `seed`.
    pub fn new(seed: impl Into<String>) -> Self {
        Self {
            model: String::new(),
            parts: Vec::new(),
            reason: FinishReason::Stop,
            usage: None,
            seed: seed.into(),
        }
    }

    /// Takes what happened.
    pub fn take(&mut self, event: ChatEvent) {
        self.place(&event);
        match event {
            ChatEvent::Started { model, .. } => self.model = model,
            ChatEvent::Finished { reason, usage } => (self.reason, self.usage) = (reason, usage),
            _ => {}
        }
    }

    /// Adds a piece to the part that it belongs to; `None` where it is no piece, or an empty one.
    pub(super) fn place(&mut self, piece: &ChatEvent) -> Option<Place> {
        let last = self.parts.len().checked_sub(1);
        match (piece, self.parts.last_mut()) {
            (ChatEvent::Text(more) | ChatEvent::Refusal(more) | ChatEvent::Reasoning(more), _)
                if more.is_empty() =>
            {
                None
            }
            (ChatEvent::Text(more), Some(Part::Text(text)))
            | (ChatEvent::Refusal(more), Some(Part::Refusal(text)))
            | (ChatEvent::Reasoning(more), Some(Part::Reasoning(text))) => {
                text.push_str(more);
                last.map(|index| Place { index, begins: false })
            }
            (ChatEvent::Text(text), _) => Some(self.begin(Part::Text(text.clone()))),
            (ChatEvent::Refusal(text), _) => Some(self.begin(Part::Refusal(text.clone()))),
            (ChatEvent::Reasoning(text), _) => Some(self.begin(Part::Reasoning(text.clone()))),
            (ChatEvent::ToolCall(call), _) => Some(self.call(call)),
            (ChatEvent::Started { .. } | ChatEvent::Counted(_) | ChatEvent::Finished { .. }, _) => {
                None
            }
        }
    }

    fn begin(&mut self, part: Part) -> Place {
        self.parts.push(part);
        Place { index: self.parts.len() - 1, begins: true }
    }

    fn call(&mut self, piece: &ToolCallDelta) -> Place {
        let known = self.parts.iter_mut().enumerate().find_map(|(index, part)| match part {
            Part::Call(call) if call.index == piece.index => Some((index, call)),
            _ => None,
        });
        if let Some((index, call)) = known {
            call.arguments.push_str(&piece.arguments);
            if call.extra_content.is_none() {
                call.extra_content.clone_from(&piece.extra_content);
            }
            return Place { index, begins: false };
        }
        if let Some(extra) = &piece.extra_content {
            self.parts.push(Part::Carried(carry::pack(extra)));
        }
        let mut call = piece.clone();
        call.id.get_or_insert_with(|| format!("call_{}{}", self.seed, piece.index));
        call.name.get_or_insert_default();
        self.begin(Part::Call(call))
    }

    /// Whether nothing of a part is missing, as far as can be told: calls in parallel may come in
    /// turns.
    pub(super) fn is_whole(&self, index: usize) -> bool {
        match self.parts.get(index) {
            Some(Part::Call(call)) => serde_json::from_str::<IgnoredAny>(&call.arguments).is_ok(),
            _ => true,
        }
    }

    /// Whether it calls tools.
    pub(super) fn calls(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Call(_)))
    }

    /// Whether the model refuses in words.
    pub(super) fn refuses(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Refusal(_)))
    }

    /// All text, also that with which the model refuses.
    pub(super) fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) | Part::Refusal(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// All reasoning.
    pub(super) fn reasoning(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Reasoning(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// The arguments of a call as an object; what is none (an answer that was cut) becomes empty.
pub(super) fn arguments(call: &ToolCallDelta) -> Value {
    let object = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
    object.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn piece(index: u32, id: Option<&str>, arguments: &str) -> ChatEvent {
        ChatEvent::ToolCall(ToolCallDelta {
            index,
            id: id.map(str::to_owned),
            name: id.map(|_| "f".to_owned()),
            arguments: arguments.to_owned(),
            extra_content: None,
        })
    }

    #[test]
    fn pieces_find_their_part() {
        let mut answer = Answer::new("s");
        for event in [
            ChatEvent::Reasoning("a".to_owned()),
            ChatEvent::Reasoning("b".to_owned()),
            ChatEvent::Text(String::new()),
            ChatEvent::Text("c".to_owned()),
            piece(0, Some("x"), "{"),
            piece(1, None, "{}"),
            piece(0, None, "}"),
            ChatEvent::Text("d".to_owned()),
            ChatEvent::Refusal("e".to_owned()),
            ChatEvent::Refusal("f".to_owned()),
        ] {
            answer.take(event);
        }
        let kinds: Vec<String> = answer
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => format!("text {text}"),
                Part::Refusal(text) => format!("refusal {text}"),
                Part::Reasoning(text) => format!("reasoning {text}"),
                Part::Carried(_) => "carried".to_owned(),
                Part::Call(call) => {
                    format!("call {} {}", call.id.as_deref().unwrap(), call.arguments)
                }
            })
            .collect();
        let expected =
            ["reasoning ab", "text c", "call x {}", "call call_s1 {}", "text d", "refusal ef"];
        assert_eq!(kinds, expected);
        assert_eq!((answer.text().as_str(), answer.refuses()), ("cdef", true));
    }

    #[test]
    fn what_a_provider_wants_back_stands_before_its_call() {
        let mut answer = Answer::new("s");
        let extra = json!({"google": {"thought_signature": "c2ln"}});
        answer.take(ChatEvent::ToolCall(ToolCallDelta {
            extra_content: Some(extra.clone()),
            ..ToolCallDelta::default()
        }));
        let Part::Carried(packed) = &answer.parts[0] else { panic!("{:?}", answer.parts) };
        assert_eq!(carry::unpack(packed), Some(extra));
        assert!(matches!(answer.parts[1], Part::Call(_)));
    }

    #[test]
    fn arguments_that_were_cut_are_none() {
        let call = |text: &str| ToolCallDelta { arguments: text.to_owned(), ..Default::default() };
        assert_eq!(arguments(&call("{\"a\":1}")), json!({"a": 1}));
        assert_eq!(arguments(&call("{\"a\":")), json!({}));
        assert_eq!(arguments(&call("")), json!({}));
    }
}
