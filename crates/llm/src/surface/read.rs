//! Reading a request with its faults named by their place.

use lyceum_core::Misread;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request that cannot be understood, or wants what cannot be had here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(
    /// For people, with the place of the fault.
    pub String,
);

/// A value in a request, and where it stands there.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    fn step(&self, value: &'a Value, name: &str) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        Self { value, path }
    }

    /// A member; `null` counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(self.step(value, name))
    }

    /// A member that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<Self, BadRequest> {
        self.get(name).ok_or_else(|| self.step(self.value, name).refuse("is required"))
    }

    /// A text that has to be there.
    pub(super) fn text(&self, name: &str) -> Result<&'a str, BadRequest> {
        self.need(name)?.as_text()
    }

    pub(super) fn as_text(&self) -> Result<&'a str, BadRequest> {
        self.value.as_str().ok_or_else(|| self.refuse("must be a string"))
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, BadRequest> {
        let items = self.value.as_array().ok_or_else(|| self.refuse("must be a list"))?;
        Ok(items.iter().enumerate().map(|(n, item)| self.step(item, &n.to_string())).collect())
    }

    /// A member of a type, where it is there.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, BadRequest> {
        let Some(member) = self.get(name) else { return Ok(None) };
        let read = T::deserialize(member.value);
        read.map(Some)
            .map_err(|error| member.refuse(&format!("is not valid ({})", Misread::of(&error))))
    }

    pub(super) fn refuse(&self, words: &str) -> BadRequest {
        match self.path.as_str() {
            "" => BadRequest(words.to_owned()),
            path => BadRequest(format!("{path}: {words}.")),
        }
    }
}
