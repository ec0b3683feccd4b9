use serde_json::Value;

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
