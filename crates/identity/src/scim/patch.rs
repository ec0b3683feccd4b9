//! The body of a PATCH (RFC 7644, section 3.5.2), as strictly as directories keep to it: operations
//! come in any case, with or without a path.

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::ScimError;
use super::filter::Path;

/// Operations of one request.
const OPERATIONS_MAX: usize = 1000;

/// The body of a PATCH, for the documentation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read as JSON")]
pub(crate) struct ScimPatch {
    /// `urn:ietf:params:scim:api:messages:2.0:PatchOp`
    schemas: Vec<String>,
    /// What to change, in order.
    #[schema(rename = "Operations")]
    operations: Vec<ScimPatchOperation>,
}

/// One change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is read as JSON")]
pub(crate) struct ScimPatchOperation {
    /// `add`, `replace` or `remove`.
    op: String,
    /// What it is about; without one, the value's members say so.
    path: Option<String>,
    /// The new value.
    #[schema(value_type = Object)]
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Add,
    Replace,
    Remove,
}

/// One change of one attribute.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) action: Action,
    pub(super) path: Path,
    /// `null` where there is none.
    pub(super) value: Value,
}

/// The changes in a body, one for each attribute.
pub(super) fn changes(body: Map<String, Value>) -> Result<Vec<Change>, ScimError> {
    let operations = member(&body, "operations").and_then(Value::as_array);
    let Some(operations) = operations.filter(|list| list.len() <= OPERATIONS_MAX) else {
        return Err(ScimError::invalid_syntax("List 1 to 1000 Operations."));
    };
    let mut changes = Vec::new();
    for operation in operations {
        let unreadable = || ScimError::invalid_syntax("An operation has an op and a value.");
        let operation = operation.as_object().ok_or_else(unreadable)?;
        let action = member(operation, "op").and_then(Value::as_str).ok_or_else(unreadable)?;
        let action = match action.to_lowercase().as_str() {
            "add" => Action::Add,
            "replace" => Action::Replace,
            "remove" => Action::Remove,
            _ => return Err(ScimError::invalid_syntax("An op is add, replace or remove.")),
        };
        let value = member(operation, "value").cloned().unwrap_or(Value::Null);
        match (member(operation, "path").and_then(Value::as_str), value) {
            (Some(path), value) => {
                changes.push(Change { action, path: Path::parse(path)?, value });
            }
            (None, Value::Object(members)) if action != Action::Remove => {
                let each = members.into_iter();
                changes.extend(each.map(|(name, value)| Change {
                    action,
                    path: Path::of(&name),
                    value,
                }));
            }
            (None, _) => {
                return Err(ScimError::no_target());
            }
        }
    }
    Ok(changes)
}

/// A member, by a name in lower case; names come in any case.
pub(super) fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.iter().find(|(given, _)| given.to_lowercase() == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Vec<Change>, ScimError> {
        changes(body.as_object().unwrap().clone())
    }

    #[test]
    fn operations_come_in_any_case_with_and_without_a_path() {
        let body = json!({ "schemas": [], "Operations": [
            { "op": "Replace", "path": "active", "value": "False" },
            { "op": "ADD", "value": { "name.givenName": "Ada", "title": "Countess" } },
            { "Op": "remove", "path": "members[value eq \"1\"]" },
        ] });
        let read = read(body).unwrap();
        let shown: Vec<_> =
            read.iter().map(|c| (c.action, c.path.attribute.as_str(), &c.value)).collect();
        assert_eq!(
            shown,
            [
                (Action::Replace, "active", &json!("False")),
                (Action::Add, "name.givenname", &json!("Ada")),
                (Action::Add, "title", &json!("Countess")),
                (Action::Remove, "members", &Value::Null),
            ]
        );
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for operations in [
            json!(null),
            json!("x"),
            json!([1]),
            json!([{ "path": "active" }]),
            json!([{ "op": "move", "path": "active" }]),
            json!([{ "op": "remove" }]),
            json!([{ "op": "add", "value": "x" }]),
            json!([{ "op": "add", "path": "members[", "value": [] }]),
        ] {
            assert!(read(json!({ "Operations": operations })).is_err(), "{operations}");
        }
        assert!(read(json!({})).is_err());
    }
}
