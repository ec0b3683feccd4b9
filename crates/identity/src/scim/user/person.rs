//! What a directory says of a person, from whichever body it comes.

use serde_json::{Map, Value};

use super::super::error::ScimError;
use super::super::filter::{Filter, Operator, Path, is_about_kind, normal};
use super::super::patch::{Action, Change, member};
use super::super::schemas;

/// What can be said of a person; what is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Person {
    pub(super) user_name: String,
    pub(super) external_id: Option<String>,
    pub(super) email: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) department: Option<String>,
    pub(super) active: Option<bool>,
}

impl Person {
    /// The person that a whole resource describes. What it leaves out is not known any more, but
    /// for the address, which nobody is without, and whether the person is active.
    pub(super) fn replaced_by(&self, resource: &Map<String, Value>) -> Result<Self, ScimError> {
        let mut person = Self { email: self.email.clone(), active: self.active, ..Self::default() };
        for (name, value) in resource {
            person.assign(&Path::of(name), value)?;
        }
        if person.display_name.is_none() {
            person.display_name = formatted_name(resource);
        }
        if person.user_name.is_empty() {
            return Err(ScimError::invalid_value("A person needs a userName."));
        }
        Ok(person)
    }

    pub(super) fn apply(&mut self, change: &Change) -> Result<(), ScimError> {
        match change.action {
            Action::Remove => self.assign(&change.path, &Value::Null),
            Action::Add | Action::Replace => self.assign(&change.path, &change.value),
        }
    }

    /// Sets an attribute. Of those that are not kept here directories send many by default, so they
    /// are passed over.
    fn assign(&mut self, path: &Path, value: &Value) -> Result<(), ScimError> {
        let target = match path.attribute.as_str() {
            "username" => {
                self.user_name = text(path, value)?.unwrap_or_default();
                return match self.user_name.is_empty() {
                    true => Err(ScimError::invalid_value("A person needs a userName.")),
                    false => Ok(()),
                };
            }
            "active" => {
                self.active = Some(boolean(value)?);
                return Ok(());
            }
            "emails" | "emails.value" => return self.assign_email(path, value),
            "externalid" => &mut self.external_id,
            "displayname" => &mut self.display_name,
            "name.givenname" => &mut self.given_name,
            "name.familyname" => &mut self.family_name,
            "title" => &mut self.title,
            "organization" => &mut self.organization,
            "department" => &mut self.department,
            name if name == "name" || name == schemas::ENTERPRISE_USER.to_lowercase() => {
                return self.assign_members(path, value);
            }
            _ => return Ok(()),
        };
        *target = text(path, value)?;
        Ok(())
    }

    /// Sets what the members of a complex attribute say; without a value, all that it has.
    fn assign_members(&mut self, path: &Path, value: &Value) -> Result<(), ScimError> {
        let prefix = if path.attribute == "name" { "name." } else { "" };
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.assign(&Path::of(&format!("{prefix}{name}")), value)?;
                }
            }
            Value::Null => {
                for name in ["givenname", "familyname", "organization", "department"] {
                    let is_inside = name.ends_with("name") != prefix.is_empty();
                    if is_inside {
                        self.assign(&Path::of(&format!("{prefix}{name}")), value)?;
                    }
                }
            }
            _ => return Err(ScimError::invalid_value(format!("{} is an object.", path.attribute))),
        }
        Ok(())
    }

    /// One address is kept: the primary one, or that for work, or the first. Addresses of other
    /// kinds that are named by themselves are passed over.
    fn assign_email(&mut self, path: &Path, value: &Value) -> Result<(), ScimError> {
        if path.filter.as_ref().is_some_and(|filter| !is_kept_kind(filter)) {
            return Ok(());
        }
        let email = match value {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().filter_map(Value::as_object).collect();
                let is = |item: &Map<String, Value>, name, wanted: &str| {
                    member(item, name).is_some_and(|value| {
                        value == wanted || value.to_string().eq_ignore_ascii_case(wanted)
                    })
                };
                let primary = items.iter().find(|item| is(item, "primary", "true"));
                let work = items.iter().find(|item| is(item, "type", "work"));
                let chosen = primary.or(work).or(items.first());
                chosen.and_then(|item| member(item, "value")).and_then(Value::as_str)
            }
            Value::Object(item) => match member(item, "value") {
                Some(value) => value.as_str(),
                // Another part of the address, such as its kind.
                None => return Ok(()),
            },
            other => other.as_str(),
        };
        match email.map(str::trim).filter(|email| !email.is_empty()) {
            Some(email) => self.email = Some(email.to_owned()),
            None => return Err(ScimError::invalid_value("A person needs an e-mail address.")),
        }
        Ok(())
    }
}

/// Whether a filter of addresses means the one that is kept.
fn is_kept_kind(filter: &Filter) -> bool {
    match filter {
        Filter::Compare(one) if one.attribute == "type" && one.operator == Operator::Equal => {
            one.value == "work"
        }
        Filter::Both(a, b) => is_kept_kind(a) && is_kept_kind(b),
        other => is_about_kind(other),
    }
}

/// The whole name, where a resource has no name to show.
fn formatted_name(resource: &Map<String, Value>) -> Option<String> {
    let name = resource.iter().find(|(given, _)| normal(given) == "name")?.1.as_object()?;
    let formatted = member(name, "formatted")?.as_str()?.trim();
    (!formatted.is_empty()).then(|| formatted.to_owned())
}

/// A text; an empty one is none.
fn text(path: &Path, value: &Value) -> Result<Option<String>, ScimError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        _ => Err(ScimError::invalid_value(format!("{} is a text.", path.attribute))),
    }
}

/// A truth, also as the word for it, as Entra ID sends it.
fn boolean(value: &Value) -> Result<bool, ScimError> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ScimError::invalid_value("active is true or false.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::patch::changes;
    use super::*;

    fn of(resource: Value) -> Result<Person, ScimError> {
        Person::default().replaced_by(resource.as_object().unwrap())
    }

    #[test]
    fn a_resource_says_what_is_kept_and_more() {
        let person = of(json!({
            "schemas": [schemas::USER], "userName": "ada@example.org", "externalId": "42",
            "name": { "formatted": "Ada Lovelace", "givenName": "Ada", "familyName": "" },
            "emails": [{ "type": "home", "value": "h@b" },
                       { "type": "work", "value": "w@b" }],
            "title": null, "phoneNumbers": [{ "value": "1" }], "active": "True",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                { "department": "Engines", "manager": { "value": "1" } },
        }))
        .unwrap();
        let expected = Person {
            user_name: "ada@example.org".to_owned(),
            external_id: Some("42".to_owned()),
            email: Some("w@b".to_owned()),
            display_name: Some("Ada Lovelace".to_owned()),
            given_name: Some("Ada".to_owned()),
            department: Some("Engines".to_owned()),
            active: Some(true),
            ..Person::default()
        };
        assert_eq!(person, expected);
        let primary = json!({ "userName": "a", "emails": [{ "type": "work", "value": "w@b" },
                              { "primary": true, "value": "p@b" }] });
        assert_eq!(of(primary).unwrap().email.as_deref(), Some("p@b"));
        for bad in [
            json!({}),
            json!({ "userName": " " }),
            json!({ "userName": 1 }),
            json!({ "userName": "a", "active": "maybe" }),
            json!({ "userName": "a", "emails": [] }),
            json!({ "userName": "a", "name": "Ada" }),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn changes_reach_one_attribute_each() {
        let mut person = of(json!({ "userName": "ada", "displayName": "Ada", "title": "Countess",
                                    "name": { "givenName": "Ada", "familyName": "Lovelace" } }))
        .unwrap();
        let body = json!({ "Operations": [
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "w@b" },
            { "op": "Replace", "path": "emails[type eq \"home\"].value", "value": "h@b" },
            { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:\
                department", "value": "Engines" },
            { "op": "replace", "value": { "active": false, "name": { "familyName": "King" } } },
            { "op": "remove", "path": "title" },
        ] });
        for change in changes(body.as_object().unwrap().clone()).unwrap() {
            person.apply(&change).unwrap();
        }
        let shown = [&person.email, &person.department, &person.family_name, &person.title];
        let shown = shown.map(|text| text.as_deref());
        assert_eq!(shown, [Some("w@b"), Some("Engines"), Some("King"), None]);
        assert_eq!((person.active, person.given_name.as_deref()), (Some(false), Some("Ada")));
        let body = json!({ "Operations": [{ "op": "remove", "path": "name" }] });
        for change in changes(body.as_object().unwrap().clone()).unwrap() {
            person.apply(&change).unwrap();
        }
        assert_eq!((person.given_name, person.family_name), (None, None));
        assert_eq!(person.department.as_deref(), Some("Engines"));
    }
}
