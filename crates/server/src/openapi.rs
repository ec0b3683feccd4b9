//! The OpenAPI document: what the routes say of themselves, under one head.

use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::rights::operations;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Lyceum",
        description = "The API of a Lyceum server. Errors are problem+json documents with a \
                       stable code. Addresses under /v1 speak OpenAI's and Anthropic's protocols. \
                       Requests with the session's cookie that change something need the header \
                       `X-Lyceum-Client` with any value; those with an API key do not. Below \
                       /api/v1 an operation refuses query parameters that it does not name, \
                       unless it says `x-open-query`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    // What the members of `invalid_field` name.
    components(schemas(lyceum_identity::Rule)),
    modifiers(&Security),
    security(("session" = []), ("bearer" = []))
)]
struct Document;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("lyceum_access"))),
        );
        // The token of a directory.
        components.add_security_scheme(
            "scim",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        );
    }
}

/// The head of the document, to which the routes are added.
pub fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Leaves each operation the first sentence of its handler's comment for a summary; the rest is its
/// description. Utoipa takes the whole first paragraph.
pub fn summarise(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            let Some(paragraph) = operation.summary.take() else { continue };
            let (first, rest) = split(&paragraph);
            operation.summary = Some(first);
            let more: Vec<String> = rest.into_iter().chain(operation.description.take()).collect();
            operation.description = (!more.is_empty()).then(|| more.join("\n\n"));
        }
    }
}

/// The first sentence of a paragraph and what follows it, each on one line.
fn split(paragraph: &str) -> (String, Option<String>) {
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.split_once(". ") {
        Some((first, rest)) => (format!("{first}."), Some(rest.to_owned())),
        None => (line, None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_first_sentence_is_the_summary_and_the_rest_the_description() {
        let (first, rest) = split("Reads a note, by\nits id. It may be long. Nobody else sees it.");
        assert_eq!(first, "Reads a note, by its id.");
        assert_eq!(rest.as_deref(), Some("It may be long. Nobody else sees it."));
        assert_eq!(split("Reads a note."), ("Reads a note.".to_owned(), None));
    }

    #[tokio::test]
    async fn every_operation_has_a_summary() {
        let document = crate::serve::openapi().await.unwrap();
        let document: Value = serde_json::from_str(&document).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, told)| (method, path, told))
        });
        let is_wrong = |told: &Value| {
            let summary = told["summary"].as_str().unwrap_or_default();
            let words = summary.split_whitespace().count();
            words < 2 || summary.len() > 200 || !summary.ends_with('.') || summary.contains('\n')
        };
        let wrong = all.filter(|(.., told)| is_wrong(told));
        let wrong: Vec<_> = wrong.map(|(method, path, _)| format!("{method} {path}")).collect();
        assert!(wrong.is_empty(), "no summary, or none of one sentence: {wrong:?}");
    }
}
