//! A stream of server-sent events as its reader sees it.

/// The events of an answer.
pub struct Events {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Events {
    pub fn new(response: reqwest::Response) -> Self {
        Self { response, buffer: Vec::new() }
    }

    /// The data of the next event; `None` at the end. What is begun and not ended is an error.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let event = String::from_utf8(event)?;
                let data = event.trim_end().strip_prefix("data: ");
                return match data {
                    Some(data) => Ok(Some(data.to_owned())),
                    None => anyhow::bail!("an event without data: {event:?}"),
                };
            }
            match self.response.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => anyhow::bail!("the stream ended inside an event"),
            }
        }
    }
}
