//! The ledger as its readers see it.

use lyceum_testkit::Session;
use serde_json::Value;

/// All calls that the filter (such as `&status=failed`) lets through.
pub async fn calls(admin: &Session, filter: &str) -> anyhow::Result<Vec<Value>> {
    let (mut calls, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = admin.get(&format!("/api/v1/usage/calls?limit=200{filter}{cursor}")).await?;
        calls.extend(serde_json::from_value::<Vec<Value>>(page["items"].take())?);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(calls),
        }
    }
}
