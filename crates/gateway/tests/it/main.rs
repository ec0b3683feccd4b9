//! The gateway against a real PostgreSQL and an upstream provider with every fault.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod calls;
mod distributions;
mod kinds;
mod ledger;
mod limits;
mod models;
mod packages;
mod protocols;
mod providers;
mod quotas;
mod said;
mod surfaces;
mod usage;
mod v1;
mod world;
