use axum::http::StatusCode;
use serde_json::Value;

/// Why a request of OpenAI's Responses API is refused: for reasoning that nobody keeps, as it is not
/// sealed, or by the model `strict` for sealing where there is no reasoning.
pub(super) fn refusal_of_response(model: &str, body: &Value) -> Option<(StatusCode, String)> {
    let mut items = body["input"].as_array().into_iter().flatten();
    let unsealed =
        items.find(|item| item["type"] == "reasoning" && !item["encrypted_content"].is_string());
    if let Some(item) = unsealed.filter(|_| body["store"] == false) {
        let id = item["id"].as_str().unwrap_or_default();
        let words = format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. \
             Try again with `store` set to true, or remove this item from your input."
        );
        return Some((StatusCode::NOT_FOUND, words));
    }
    let words = "Encrypted content is not supported with this model.";
    (model == "strict" && seals(body)).then(|| (StatusCode::BAD_REQUEST, words.to_owned()))
}

/// Whether a request of the Responses API asks for reasoning that can be given back.
pub(super) fn seals(body: &Value) -> bool {
    let mut asked = body["include"].as_array().into_iter().flatten();
    asked.any(|one| one == "reasoning.encrypted_content")
}

/// What the model `strict` refuses of a request, in the words of providers that do.
pub(super) fn refusal(body: &Value) -> Option<&'static str> {
    let messages = body["messages"].as_array().into_iter().flatten();
    let has = |name: &str| body.get(name).is_some();
    if messages.clone().any(|message| message["role"] == "developer") {
        return Some(
            "messages[0].role: unknown variant `developer`, expected one of `system`, `user`, \
             `assistant`, `tool`",
        );
    }
    if has("max_tokens") {
        return Some(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
             'max_completion_tokens' instead.",
        );
    }
    if has("temperature") {
        return Some(
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the \
             default (1) value is supported.",
        );
    }
    let reasons = |message: &Value| message.get("reasoning_content").is_some();
    messages.clone().any(reasons).then_some(
        "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : \
         property 'reasoning_content' is unsupported)]",
    )
}
