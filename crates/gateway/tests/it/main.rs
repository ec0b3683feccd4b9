//! The gateway against a real PostgreSQL and an upstream provider with every fault.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod caching;
mod caching_rules;
mod calls;
mod counts;
mod distributions;
mod end_users;
mod fitting;
mod headers;
mod heartbeat;
mod ignored;
mod journal;
mod key_models;
mod kinds;
mod known;
mod ledger;
mod limits;
mod live;
mod made;
mod models;
mod packages;
mod passing;
mod patience;
mod payloads;
mod protocols;
mod providers;
mod proxy;
mod quotas;
mod reconcile;
mod refusals;
mod rollups;
mod route_affinity;
mod route_calls;
mod route_faults;
mod route_health;
mod routes;
mod said;
mod shared;
mod surfaces;
mod tiers;
mod unpriced;
mod unreached;
mod usage;
mod v1;
mod world;
