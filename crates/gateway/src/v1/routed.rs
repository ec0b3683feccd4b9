use std::sync::Arc;

use axum::response::Response;
use uuid::Uuid;

use super::{Failure, Pinned};
use crate::routes::{Ask, Needs, Route, Seed};
use crate::{CallContext, Gateway, ModelConfig};

/// A request that any of several models may answer.
pub(super) trait Question: Clone + Send {
    /// Whether the answer goes out as it comes.
    fn is_streamed(&self) -> bool;

    /// What of it matters to a route.
    fn needs(&self, route: &Route) -> Needs;

    /// What the turns of its conversation have in common, if it may be one of several.
    fn affinity(&self, _user: Uuid, _route: &Route) -> Option<Seed> {
        None
    }

    /// Asks one model, which is no route.
    fn ask(
        self,
        gateway: &Gateway,
        context: CallContext,
        model: &ModelConfig,
    ) -> impl Future<Output = Result<Response, Failure>> + Send;
}

/// Asks the model, or, where that is a route, its targets in turn until one answers. A model that is
/// no route gets the question as it came, without a copy.
pub(super) async fn routed(
    gateway: &Gateway,
    context: CallContext,
    model: &ModelConfig,
    pinned: Pinned,
    question: impl Question,
) -> Result<Response, Failure> {
    let Some(route) = model.route() else {
        pinned.check(model)?;
        return question.ask(gateway, context, model).await;
    };
    Box::pin(by_route(gateway, context, route, pinned, question)).await
}

async fn by_route(
    gateway: &Gateway,
    context: CallContext,
    route: &Arc<Route>,
    pinned: Pinned,
    question: impl Question,
) -> Result<Response, Failure> {
    let needs = question.needs(route);
    let affinity = if route.is_spread() { question.affinity(context.user_id, route) } else { None };
    let ask = Ask { streamed: question.is_streamed(), pin: pinned.0, needs, affinity };
    let mut tries = gateway.tries(context, route, &ask)?;
    loop {
        let (context, target) = tries.attempt()?;
        match question.clone().ask(gateway, context, target).await {
            Ok(response) => return Ok(response),
            Err(failure) => tries.next(failure).await?,
        }
    }
}
