use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::recording::Told;

/// An answer that is kept, as it went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) told: Told,
    /// A document, or all events of a stream.
    pub(crate) body: Bytes,
}

/// The length of what stands before the body.
type Length = u32;

#[derive(Serialize, Deserialize)]
struct Head {
    told: Told,
    /// Of the body, which shows whether all of it is there.
    length: usize,
}

impl Kept {
    /// As bytes: the length of the head, the head as JSON, and the body as it is.
    pub(super) fn to_bytes(&self) -> Option<Bytes> {
        let head = Head { told: self.told.clone(), length: self.body.len() };
        let head = serde_json::to_vec(&head).ok()?;
        let length = Length::try_from(head.len()).ok()?.to_be_bytes();
        Some([&length[..], &head, &self.body].concat().into())
    }

    /// What [`Kept::to_bytes`] wrote.
    pub(super) fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        let length = Length::from_be_bytes(*bytes.first_chunk()?);
        let mut rest = bytes.split_off(size_of::<Length>());
        let length = usize::try_from(length).ok().filter(|length| *length <= rest.len())?;
        let body = rest.split_off(length);
        let Head { told, length } = serde_json::from_slice(&rest).ok()?;
        (body.len() == length).then_some(Self { told, body })
    }
}

#[cfg(test)]
mod tests {
    use lyceum_llm::Usage;

    use super::*;

    #[test]
    fn an_answer_survives_being_kept_and_half_of_one_is_none() {
        let usage = Usage { prompt_tokens: 3, completion_tokens: 5, ..Usage::default() };
        let told = Told { usage, estimated: true, served_model: Some("m".to_owned()) };
        let kept = Kept { told, body: Bytes::from_static(b"data: {}\n\n") };
        let bytes = kept.to_bytes().unwrap();
        assert_eq!(Kept::from_bytes(bytes.clone()).unwrap(), kept);
        for length in 0..bytes.len() {
            assert_eq!(Kept::from_bytes(bytes.slice(..length)), None);
        }
    }
}
