use super::*;

fn map(status: u16, body: &str) -> LlmError {
    let key = Secret::new("sk-very-secret");
    let status = StatusCode::from_u16(status).unwrap();
    from_answer(status, &HeaderMap::new(), body.as_bytes(), Some(&key))
}

#[test]
fn bodies_of_every_form_become_words() {
    for (status, body, words) in [
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-very-secret.","code":"invalid_api_key"}}"#,
            "the provider refused the key: Incorrect API key provided: ***.",
        ),
        (
            404,
            r#"{"error":"model 'x' not found, try pulling it first"}"#,
            "the provider does not know the model: model 'x' not found, try pulling it first",
        ),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
            r#"the provider refused the request: [{"loc":["body"],"msg":"field required"}]"#,
        ),
        (400, r#"{"message":"bad\nthing"}"#, "the provider refused the request: bad thing"),
        (
            400,
            r#"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
            "the prompt is longer than the model's context: too long",
        ),
        (
            400,
            r#"{"error":{"message":"filtered","type":null,"code":"content_filter"}}"#,
            "the provider's content policy refused it: filtered",
        ),
        (
            400,
            r#"{"error":{"message":"inappropriate","code":"data_inspection_failed"}}"#,
            "the provider's content policy refused it: inappropriate",
        ),
        (
            429,
            r#"[{"error":{"code":429,"message":"quota"}}]"#,
            "the provider's limit is reached: quota",
        ),
        (500, "", "the provider failed with status 500: Internal Server Error"),
        (
            502,
            "<html><h1>Bad gateway</h1>",
            "the provider failed with status 502: it answered with a web page; check the base URL",
        ),
        (503, "no healthy upstream", "the provider failed with status 503: no healthy upstream"),
        (
            302,
            "",
            "the provider failed with status 302: it redirects elsewhere, which is not followed; check the base URL",
        ),
    ] {
        assert_eq!(map(status, body).to_string(), words);
    }
}

#[test]
fn a_refusal_for_its_content_is_known_in_every_providers_words() {
    for body in [
        r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
        r#"{"error":{"message":"Invalid prompt: it was flagged.","type":"invalid_request_error","code":"invalid_prompt"}}"#,
        r#"{"error":{"code":"OutputTextSensitiveContentDetected","message":"x","type":"BadRequest"}}"#,
        r#"{"error":{"code":"InputImageSensitiveContentDetected.PolicyViolation","message":"x","type":"BadRequest"}}"#,
    ] {
        let error = map(400, body);
        assert!(matches!(error, LlmError::ContentPolicy(_)), "{error}");
        // The same inside of a stream.
        let document: Value = serde_json::from_str(body).unwrap();
        let error = from_member(&document["error"], None);
        assert!(matches!(error, LlmError::ContentPolicy(_)), "{error}");
    }
}

#[test]
fn an_account_that_is_used_up_is_known_in_every_providers_words_and_a_limit_is_none() {
    for (status, body, code) in [
        // Moonshot.
        (
            429,
            r#"{"error":{"message":"Your account is suspended, please check your plan and billing details","type":"exceeded_current_quota_error"}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"error":{"message":"Your account reached max request: 3, please try again after 1 seconds","type":"rate_limit_reached_error"}}"#,
            "provider_rate_limited",
        ),
        // Zhipu, also by Anthropic's protocol.
        (
            429,
            r#"{"error":{"code":"1113","message":"您的账户已欠费，请充值后重试。"}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"1113","message":"Insufficient balance or no resource package."}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"error":{"code":"1302","message":"您当前使用该API的并发数过高"}}"#,
            "provider_rate_limited",
        ),
        // Alibaba's Model Studio.
        (
            400,
            r#"{"error":{"message":"Access denied","type":"Arrearage","param":null,"code":"Arrearage"}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"code":"PrepaidBillOverdue","message":"The prepaid bill is overdue."}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"error":{"code":"PostpaidBillOverdue","message":"The postpaid bill is overdue."}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"error":{"code":"CommodityNotPurchased","message":"Commodity has not purchased yet."}}"#,
            "provider_no_credit",
        ),
        (
            429,
            r#"{"error":{"code":"limit_requests","message":"You exceeded your current requests list.","type":"limit_requests"}}"#,
            "provider_rate_limited",
        ),
    ] {
        assert_eq!(lyceum_core::Problem::code(&map(status, body)), code, "{body}");
        // The same inside of a stream, where nothing but the word says it.
        let document: Value = serde_json::from_str(body).unwrap();
        let error = from_member(document.get("error").unwrap_or(&document), None);
        let is_empty = lyceum_core::Problem::code(&error) == "provider_no_credit";
        assert_eq!(is_empty, code == "provider_no_credit", "{body}: {error}");
    }
}

#[test]
fn a_limit_of_tokens_a_minute_is_no_empty_account_whatever_it_is_called() {
    for (message, code) in [
        ("Allocated quota exceeded, please increase your quota limit.", "provider_rate_limited"),
        (
            "You exceeded your current quota, please check your plan and billing details. For \
             details, see: https://help.aliyun.com/zh/model-studio/error-code#token-limit",
            "provider_rate_limited",
        ),
        (
            "You exceeded your current quota, please check your plan and billing details.",
            "provider_no_credit",
        ),
        ("Free allocated quota exceeded.", "provider_no_credit"),
    ] {
        let name = "insufficient_quota";
        let document = serde_json::json!({ "message": message, "type": name, "code": name });
        let body = serde_json::json!({ "error": document }).to_string();
        // The same inside of a stream.
        for error in [map(429, &body), from_member(&document, None)] {
            assert_eq!(lyceum_core::Problem::code(&error), code, "{message}");
        }
    }
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let error = map(500, &"汉".repeat(10_000)).to_string();
    assert!(error.chars().count() < 400, "{}", error.chars().count());
}

#[test]
fn retry_after_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
    let error = from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"", None);
    assert!(matches!(
        error,
        LlmError::RateLimited { retry_after: Some(after), .. } if after == Duration::from_secs(7)
    ));
}
