//! Routes: one name of ours for several models, which are asked in an order until one answers.
//!
//! A route is a model of the provider `route`: whoever names it gets the answer of one of its
//! targets, of those that they may use themselves. A call that fails before its first token is made
//! again, at the same target or at the next; after that, never. What is asked once costs nothing of
//! this: a model that is no route is called as if there were none.

mod affinity;
mod attempt;
mod change;
mod choose;
mod health;
mod http;
mod load;
mod opening;
mod store;
mod ticket;
mod verdict;

use std::time::Duration;

use uuid::Uuid;

pub(crate) use affinity::Opening;
pub use attempt::Attempt;
pub(crate) use attempt::{Ask, Needs};
pub(crate) use choose::Seed;
pub(crate) use http::router;
pub(crate) use load::load;
pub(crate) use opening::{Glimpse, Unopened};
pub(crate) use ticket::HealthBook;
pub(crate) use verdict::{Refusal, Verdict};

use choose::Rank;
use health::Policy;
use ticket::SharedHealth;
use verdict::Cause;

use crate::{GatewayError, ModelConfig};

/// The provider of the models that are routes.
pub(crate) const ROUTE: &str = "route";

/// A route as one user may take it: with the targets that they may use themselves.
pub(crate) struct Route {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    settings: Settings,
    targets: Vec<Target>,
}

/// One of the models that a route asks.
struct Target {
    model: ModelConfig,
    rank: Rank,
    tools: Option<bool>,
    images: Option<bool>,
    health: SharedHealth,
}

/// How a route treats its targets.
#[derive(Clone, Debug)]
struct Settings {
    retries: u32,
    backoff: Duration,
    wait_budget: Duration,
    first_token: Option<Duration>,
    answer: Option<Duration>,
    fallback_on: Vec<Cause>,
    policy: Policy,
}

impl Route {
    fn target(&self, id: Uuid) -> Option<&Target> {
        self.targets.iter().find(|target| target.model.id == id)
    }

    /// The targets that can do what the request needs, in the order in which they are asked.
    fn order(&self, needs: Needs, seed: Seed) -> Result<Vec<Uuid>, GatewayError> {
        let lacks = |target: &&Target| {
            needs.tools && target.tools == Some(false)
                || needs.images && target.images == Some(false)
        };
        let able = self.targets.iter().filter(|target| !lacks(target));
        let order = choose::order(able.map(|target| (target.model.id, target.rank)), seed);
        match order.is_empty() {
            true => Err(GatewayError::RouteIncapable(self.name.clone())),
            false => Ok(order),
        }
    }

    /// Whether several targets share a priority, so that it matters what the order is drawn from.
    pub(crate) fn is_spread(&self) -> bool {
        let priority = |target: &Target| target.rank.priority;
        // They are kept in the order of their priorities.
        self.targets
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if priority(one) == priority(other)))
    }

    /// The target of this id or name.
    fn named(&self, name: &str) -> Result<Uuid, GatewayError> {
        let id = name.parse::<Uuid>().ok();
        let models = || self.targets.iter().map(|target| &target.model);
        let found = models()
            .find(|model| Some(model.id) == id)
            .or_else(|| models().find(|model| model.name == name));
        found.map(|model| model.id).ok_or_else(|| GatewayError::UnknownModel {
            requested: name.chars().take(100).collect(),
            available: models().map(|model| model.name.clone()).collect(),
        })
    }

    /// Whether some target is known not to take images, so that it matters whether there are any.
    pub(crate) fn minds_images(&self) -> bool {
        self.targets.iter().any(|target| target.images == Some(false))
    }
}
