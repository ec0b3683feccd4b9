use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header;
use lyceum_store::Cache;
use lyceum_store::cache::{INFERENCE, Key};

use super::flight::{Flights, Lead, Outcome, Seat};
use super::{Hash, Kept, Recording};

/// The largest answer that is kept, in bytes.
const LARGEST: usize = 1024 * 1024;

/// The answers that are kept, and those that are being waited for.
pub(crate) struct Answers {
    cache: Cache,
    flights: Flights,
}

/// What is to be done about a request.
pub(crate) enum Turn {
    /// Nothing: here is its answer, which was waited for or not.
    Kept { kept: Kept, waited: bool },
    /// It is to be asked, and its answer left here.
    Ask(Place),
}

impl Answers {
    pub(crate) fn new(cache: Cache) -> Self {
        Self { cache, flights: Flights::default() }
    }

    /// An answer that is kept, or the place for it. Of requests that come `together` one is asked,
    /// and the others wait for its answer; if it has none, each of them is asked.
    pub(crate) async fn turn(&self, hash: Hash, life: Duration, together: bool) -> Turn {
        let place = |lead| Turn::Ask(self.place(hash, life, lead));
        loop {
            if let Some(kept) = self.find(hash).await {
                return Turn::Kept { kept, waited: false };
            }
            if !together {
                return place(None);
            }
            match self.flights.join(hash) {
                // Another may have come to its end since it was looked for.
                Seat::Leads(lead) => match self.find(hash).await {
                    Some(kept) => return Turn::Kept { kept, waited: false },
                    None => return place(Some(lead)),
                },
                Seat::Waits(wait) => match wait.outcome().await {
                    Outcome::Kept(kept) => return Turn::Kept { kept, waited: true },
                    Outcome::None => return place(None),
                    Outcome::Gone => {}
                },
            }
        }
    }

    /// The place of a new answer, whatever is kept.
    pub(crate) fn renew(&self, hash: Hash, life: Duration) -> Place {
        self.place(hash, life, None)
    }

    fn place(&self, hash: Hash, life: Duration, lead: Option<Lead>) -> Place {
        let key = INFERENCE.of_hash(&hash).living(life);
        Place { cache: self.cache.clone(), key, lead, recording: Recording::default() }
    }

    async fn find(&self, hash: Hash) -> Option<Kept> {
        Kept::from_bytes(self.cache.get(&INFERENCE.of_hash(&hash)).await?)
    }
}

/// Where the answer of a request that is being asked is left, if it is whole and not too large.
pub(crate) struct Place {
    cache: Cache,
    key: Key,
    lead: Option<Lead>,
    recording: Recording,
}

impl Place {
    /// Where the call's meter notes what becomes of the answer.
    pub(crate) fn recording(&self) -> Recording {
        self.recording.clone()
    }

    /// There is no answer.
    pub(crate) fn give_up(self) {
        if let Some(lead) = self.lead {
            lead.ends(None);
        }
    }

    /// Leaves the answer here on its way out.
    pub(crate) async fn keep(self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let streamed = kind.is_some_and(|kind| kind == "text/event-stream");
        let body = match streamed {
            true => self.keep_stream(body),
            // It is in memory as a whole.
            false => match to_bytes(body, usize::MAX).await {
                Ok(document) => {
                    self.leave(Some(document.clone())).await;
                    Body::from(document)
                }
                Err(error) => {
                    self.give_up();
                    Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(error) }))
                }
            },
        };
        Response::from_parts(parts, body)
    }

    fn keep_stream(self, body: Body) -> Body {
        let mut pieces = body.into_data_stream();
        Body::from_stream(async_stream::stream! {
            let mut kept = Some(Vec::new());
            while let Some(piece) = pieces.next().await {
                kept = match (&piece, kept) {
                    (Ok(piece), Some(mut kept)) if kept.len() + piece.len() <= LARGEST => {
                        kept.extend_from_slice(piece);
                        Some(kept)
                    }
                    _ => None,
                };
                yield piece;
            }
            self.leave(kept.map(Bytes::from)).await;
        })
    }

    async fn leave(self, body: Option<Bytes>) {
        let body = body.filter(|body| body.len() <= LARGEST);
        let kept = self.recording.outcome().zip(body).map(|(told, body)| Kept { told, body });
        if let Some(bytes) = kept.as_ref().and_then(Kept::to_bytes) {
            self.cache.put(&self.key, bytes).await;
        }
        if let Some(lead) = self.lead {
            lead.ends(kept);
        }
    }
}
