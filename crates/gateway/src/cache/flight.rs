//! Equal requests that are asked at once: one goes, the others wait for its answer.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{Hash, Kept};

/// The requests that are under way in this process.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Hash, watch::Receiver<Flight>>>>);

#[derive(Clone)]
enum Flight {
    UnderWay,
    /// Over, with an answer if one may be kept.
    Over(Option<Kept>),
}

/// What became of the request that others waited for.
pub(super) enum Outcome {
    Kept(Kept),
    /// It failed, or its answer is its own: each asks for itself.
    None,
    /// Whoever asked went away: one of the others goes in their place.
    Gone,
}

/// A place among equal requests.
pub(super) enum Seat {
    Leads(Lead),
    Waits(Wait),
}

impl Flights {
    pub(super) fn join(&self, hash: Hash) -> Seat {
        match self.lock().entry(hash) {
            Entry::Occupied(flight) => Seat::Waits(Wait(flight.get().clone())),
            Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(Flight::UnderWay);
                place.insert(receiver);
                Seat::Leads(Lead { flights: self.clone(), hash, sender })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, watch::Receiver<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that goes. Dropped without a word, it is gone.
pub(super) struct Lead {
    flights: Flights,
    hash: Hash,
    sender: watch::Sender<Flight>,
}

impl Lead {
    /// Hands the answer to those who wait, or nothing.
    pub(super) fn ends(self, kept: Option<Kept>) {
        self.sender.send_replace(Flight::Over(kept));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Before those who wait hear of it, so that they find the place free.
        self.flights.lock().remove(&self.hash);
    }
}

/// One that waits.
pub(super) struct Wait(watch::Receiver<Flight>);

impl Wait {
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.0.wait_for(|flight| matches!(flight, Flight::Over(_))).await.as_deref() {
            Ok(Flight::Over(Some(kept))) => Outcome::Kept(kept.clone()),
            Ok(_) => Outcome::None,
            Err(_) => Outcome::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use lyceum_llm::Usage;

    use super::super::recording::Told;
    use super::*;

    const HASH: Hash = [1; 32];

    fn kept() -> Kept {
        let told = Told { usage: Usage::default(), estimated: false, served_model: None };
        Kept { told, body: Bytes::from_static(b"{}") }
    }

    fn lead(flights: &Flights) -> Lead {
        match flights.join(HASH) {
            Seat::Leads(lead) => lead,
            Seat::Waits(_) => panic!("there is another"),
        }
    }

    fn wait(flights: &Flights) -> Wait {
        match flights.join(HASH) {
            Seat::Waits(wait) => wait,
            Seat::Leads(_) => panic!("there is no other"),
        }
    }

    #[tokio::test]
    async fn all_who_wait_get_the_answer_of_the_one_that_goes() {
        let flights = Flights::default();
        let (lead, waits) = (lead(&flights), [wait(&flights), wait(&flights)]);
        lead.ends(Some(kept()));
        for wait in waits {
            assert!(matches!(wait.outcome().await, Outcome::Kept(answer) if answer == kept()));
        }
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_told_and_who_goes_away_leaves_the_place() {
        let flights = Flights::default();
        let (failing, waiting) = (lead(&flights), wait(&flights));
        failing.ends(None);
        assert!(matches!(waiting.outcome().await, Outcome::None));
        let (leaving, waiting) = (lead(&flights), wait(&flights));
        drop(leaving);
        assert!(matches!(waiting.outcome().await, Outcome::Gone));
        lead(&flights);
        // Another question is not waited for.
        let _leads = lead(&flights);
        assert!(matches!(flights.join([2; 32]), Seat::Leads(_)));
    }
}
