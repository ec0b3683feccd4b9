//! Routes: one name of ours for several models, which are asked in an order until one answers.
//!
//! A route is a model of the provider `route`: whoever names it gets the answer of one of its
//! targets, of those that they may use themselves. A call that fails before its first token is made
//! again, at the same target or at the next; after that, never. What is asked once costs nothing of
//! this: a model that is no route is called as if there were none.

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

pub use attempt::Attempt;
pub(crate) use attempt::{Ask, Needs};
pub(crate) use http::router;
pub(crate) use load::load;
pub(crate) use opening::{Glimpse, Unopened};
pub(crate) use ticket::HealthBook;
pub(crate) use verdict::{Refusal, Verdict};

use choose::{Dice, Rank};
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
    fn order(&self, needs: Needs, dice: &mut Dice) -> Result<Vec<Uuid>, GatewayError> {
        let lacks = |target: &&Target| {
            needs.tools && target.tools == Some(false)
                || needs.images && target.images == Some(false)
        };
        let able: Vec<&Target> = self.targets.iter().filter(|target| !lacks(target)).collect();
        if able.is_empty() {
            return Err(GatewayError::RouteIncapable(self.name.clone()));
        }
        let order = choose::order(able.iter().map(|target| target.rank), dice);
        Ok(order.into_iter().map(|index| able[index].model.id).collect())
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
