use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use async_stream::stream;
use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures::Stream;
use http::request::Parts;
use http::{HeaderValue, header};
use lyceum_http::{Allow, ApiError, Caller};
use lyceum_store::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Counters, LiveCall, Totals};
use crate::{Gateway, GatewayError, USAGE_READ_ALL, UsageRead};

/// How often a follower is told what changed.
const TICK: Duration = Duration::from_secs(1);
/// The most calls that one answer names.
const MOST_SHOWN: usize = 500;

pub(crate) fn router() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(get_live_calls)).routes(routes!(live_events))
}

/// Which nodes a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LiveScope)]
enum Scope {
    /// The one that answers.
    Node,
    /// All that share a Redis.
    AllNodes,
}

/// What there is altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LiveOverall)]
struct Overall {
    /// Of which nodes this and `counters` are.
    scope: Scope,
    /// How many these are.
    nodes: u64,
    /// The calls that they run.
    running: u64,
    /// People who signed in and asked for something in the last five minutes.
    online_users: u64,
}

/// What runs in this process now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct LiveView {
    /// The calls that run, the oldest first, 500 at most.
    items: Vec<LiveCall>,
    /// How many run on this node, the caller's own or everybody's.
    running: usize,
    /// What ended lately; only for those with the right usage:read_all.
    #[serde(skip_serializing_if = "Option::is_none")]
    counters: Option<Counters>,
    /// What there is altogether; only for those with the right usage:read_all.
    #[serde(skip_serializing_if = "Option::is_none")]
    overall: Option<Overall>,
    /// Since when this node counts.
    since: DateTime<Utc>,
}

/// Shows the calls that run now: the caller's own, or everybody's, with counters, for those with the
/// right usage:read_all. The calls are those of this node; `overall` says of which nodes the counters
/// are.
#[utoipa::path(get, path = "/live", tag = "usage", responses((status = 200, body = LiveView)))]
async fn get_live_calls(
    State(gateway): State<Gateway>,
    allow: Allow<UsageRead>,
) -> Result<Json<LiveView>, ApiError> {
    let mut view = gateway.live_view(&allow.caller).await;
    gateway.name_people(&allow.caller, &mut view, &mut HashMap::new()).await?;
    Ok(Json(view))
}

/// Follows the calls that run. Events: `live`, with what `GET /live` answers, at once and then
/// whenever something changed, once a second at most. The stream ends when the caller's right does.
#[utoipa::path(get, path = "/live/events", tag = "usage",
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn live_events(
    State(gateway): State<Gateway>,
    _: Allow<UsageRead>,
    parts: Parts,
) -> Response {
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    let mut response = Sse::new(follow(gateway, parts)).keep_alive(keep_alive).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn follow(gateway: Gateway, mut parts: Parts) -> impl Stream<Item = Result<Event, Infallible>> {
    use axum::extract::FromRequestParts as _;
    stream! {
        let mut names = HashMap::new();
        let mut told = None;
        // Asked anew each time: who is blocked or loses the right sees no more.
        while let Ok(allow) = Allow::<UsageRead>::from_request_parts(&mut parts, &()).await {
            let mut view = gateway.live_view(&allow.caller).await;
            if let Err(error) = gateway.name_people(&allow.caller, &mut view, &mut names).await {
                tracing::warn!(error = lyceum_core::chain(&error), "the live calls have no names");
                break;
            }
            if told.as_ref() != Some(&view) {
                if let Ok(event) = Event::default().event("live").json_data(&view) {
                    yield Ok(event);
                }
                told = Some(view);
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

impl Gateway {
    /// Notes that somebody who signed in is there.
    pub fn saw(&self, person: Uuid) {
        self.inner.live.saw(person);
    }

    async fn live_view(&self, caller: &Caller) -> LiveView {
        let live = &self.inner.live;
        let all = caller.may(USAGE_READ_ALL.0, USAGE_READ_ALL.1);
        let mut items = live.calls((!all).then_some(caller.user_id));
        let running = if all { live.running() } else { items.len() };
        items.truncate(MOST_SHOWN);
        let (counters, overall) = match all {
            true => self.live_figures().await,
            false => (None, None),
        };
        LiveView { items, running, counters, overall, since: live.since() }
    }

    /// Those of all nodes where they can be asked, else of this one.
    async fn live_figures(&self) -> (Option<Counters>, Option<Overall>) {
        let live = &self.inner.live;
        let (counters, overall) = match live.totals().await {
            Some(Totals { nodes, running, online_users, counters }) => {
                (counters, Overall { scope: Scope::AllNodes, nodes, running, online_users })
            }
            None => {
                let running = live.running() as u64;
                let online_users = live.people_here() as u64;
                let here = Overall { scope: Scope::Node, nodes: 1, running, online_users };
                (live.counters(), here)
            }
        };
        (Some(counters), Some(overall))
    }

    /// Names the people whose calls are shown, those of `known` without a query.
    async fn name_people(
        &self,
        caller: &Caller,
        view: &mut LiveView,
        known: &mut HashMap<Uuid, String>,
    ) -> Result<(), GatewayError> {
        let unknown = |call: &LiveCall| !known.contains_key(&call.user_id);
        let mut ids: Vec<Uuid> =
            view.items.iter().filter(|call| unknown(call)).map(|call| call.user_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            let mut tx = self.inner.db.begin_as(caller.user_id).await?;
            known.extend(names(&mut tx, &ids).await?);
            tx.commit().await?;
        }
        for call in &mut view.items {
            call.user = known.get(&call.user_id).cloned();
        }
        Ok(())
    }
}

/// The names of these people.
async fn names(
    connection: &mut PgConnection,
    people: &[Uuid],
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id!", username::text AS "username!" FROM app.directory
           WHERE id = ANY ($1)"#,
        people
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.username)).collect())
}
