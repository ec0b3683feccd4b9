//! The gateway against a real PostgreSQL and an upstream provider with every fault.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod caching;
mod caching_rules;
mod calls;
mod distributions;
mod ignored;
mod journal;
mod kinds;
mod ledger;
mod limits;
mod live;
mod made;
mod models;
mod packages;
mod passing;
mod payloads;
mod protocols;
mod providers;
mod quotas;
mod reconcile;
mod rollups;
mod route_calls;
mod route_faults;
mod route_health;
mod routes;
mod said;
mod shared;
mod surfaces;
mod unpriced;
mod usage;
mod v1;
mod world;
