use super::*;

fn map(status: u16, body: &str) -> LlmError {
    let key = Secret::new("sk-very-secret");
    let status = StatusCode::from_u16(status).unwrap();
    from_answer(status, &HeaderMap::new(), body.as_bytes(), &[key])
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
fn of_a_secret_that_begins_with_another_nothing_is_left() {
    let secrets = ["sk-team", "sk-team-0123456789"].map(Secret::new);
    let words = tidy("sk-team-0123456789 and sk-team are not valid", &secrets);
    assert_eq!(words, "*** and *** are not valid");
}

#[test]
fn a_refusal_for_its_content_is_known_in_every_providers_words() {
    for body in [
        r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#,
        r#"{"error":{"message":"Invalid prompt: it was flagged.","type":"invalid_request_error","code":"invalid_prompt"}}"#,
        r#"{"error":{"code":"OutputTextSensitiveContentDetected","message":"x","type":"BadRequest"}}"#,
        r#"{"error":{"code":"InputImageSensitiveContentDetected.PolicyViolation","message":"x","type":"BadRequest"}}"#,
        r#"{"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}}"#,
        r#"{"error":{"code":"1301","message":"x"}}"#,
        r#"{"type":"error","error":{"type":"1301","message":"x"}}"#,
    ] {
        let error = map(400, body);
        assert!(matches!(error, LlmError::ContentPolicy(_)), "{error}");
        // The same inside of a stream.
        let document: Value = serde_json::from_str(body).unwrap();
        let error = from_member(&document["error"], &[]);
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
        let error = from_member(document.get("error").unwrap_or(&document), &[]);
        assert_eq!(lyceum_core::Problem::code(&error), code, "{body}: {error}");
    }
}

#[test]
fn a_limit_inside_of_a_stream_is_known_by_its_word_or_number_alone() {
    for (code, kind) in [
        // OpenAI, Azure, LiteLLM.
        (Value::from("rate_limit_exceeded"), "tokens"),
        (Value::from("RateLimitReached"), ""),
        (Value::from("429"), "None"),
        // Anthropic, Moonshot.
        (Value::Null, "rate_limit_error"),
        (Value::Null, "rate_limit_reached_error"),
        (Value::Null, "engine_overloaded_error"),
        // Zhipu, by either protocol.
        (Value::from("1302"), ""),
        (Value::from(1305), ""),
        (Value::from("1313"), ""),
        (Value::Null, "1308"),
        // Mistral, whose number means something else at Zhipu.
        (Value::from("1300"), "rate_limited"),
        // Qwen, by its own protocol and the compatible one.
        (Value::from("Throttling"), ""),
        (Value::from("Throttling.RateQuota"), ""),
        (Value::from("Throttling.AllocationQuota"), ""),
        (Value::from("limit_requests"), "limit_requests"),
        (Value::from("LimitRequests"), ""),
        // Doubao.
        (Value::from("RateLimitExceeded.EndpointRPMExceeded"), "TooManyRequests"),
        (Value::from("ModelAccountTpmRateLimitExceeded"), ""),
        (Value::from("ServerOverloaded"), "TooManyRequests"),
        // Baidu, Tencent, Google.
        (Value::from("tpm_rate_limit_exceeded"), "rate_limit_exceeded"),
        (Value::from("RequestLimitExceeded.UinLimitExceeded"), ""),
        (Value::from(8), "RESOURCE_EXHAUSTED"),
    ] {
        let document = serde_json::json!({ "code": code, "type": kind, "message": "slow down" });
        let error = from_member(&document, &[]);
        assert!(matches!(error, LlmError::RateLimited { .. }), "{document}: {error}");
    }
    for code in ["1300", "1301", "200", "server_error", "length_limit"] {
        let document = serde_json::json!({ "code": code, "message": "no" });
        let error = from_member(&document, &[]);
        assert!(!matches!(error, LlmError::RateLimited { .. }), "{document}: {error}");
    }
}

#[test]
fn a_document_that_is_an_error_itself_is_told_from_an_answer() {
    for (document, failed) in [
        (r#"{"code": 11200, "message": "no"}"#, true),
        (r#"{"code": "1302", "message": "slow down"}"#, true),
        (r#"{"code": "limit_requests", "message": "slow down"}"#, true),
        (r#"{"code": 0, "message": "Success"}"#, false),
        (r#"{"code": "0", "message": "Success"}"#, false),
        (r#"{"code": "Success", "message": "fine"}"#, false),
        (r#"{"code": "limit_requests"}"#, false),
        (r#"{"error": null, "choices": []}"#, false),
    ] {
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(member(&document).is_some(), failed, "{document}");
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
        for error in [map(429, &body), from_member(&document, &[])] {
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
fn no_secret_is_in_what_is_said() {
    let secrets = ["sk-very-secret", "tok-0123456789abcdef"].map(Secret::new);
    let body = r#"{"error":{"message":"neither sk-very-secret nor tok-0123456789abcdef"}}"#;
    let error = from_answer(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body.as_bytes(), &secrets);
    assert_eq!(error.to_string(), "the provider refused the key: neither *** nor ***");
}

#[test]
fn a_proxy_that_wants_a_password_is_not_the_provider() {
    let error = map(407, "<html>Squid</html>");
    assert!(
        matches!(&error, LlmError::Connect(words) if words.contains("outgoing.proxy")),
        "{error}"
    );
}

#[test]
fn retry_after_is_read() {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
    let error = from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"", &[]);
    assert!(matches!(
        error,
        LlmError::RateLimited { retry_after: Some(after), .. } if after == Duration::from_secs(7)
    ));
}

#[test]
fn a_prompt_that_is_too_long_is_known_in_every_providers_words() {
    for (body, in_stream) in [
        (
            r#"{"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}}"#,
            true,
        ),
        (
            r#"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}"#,
            false,
        ),
        (
            r#"{"object":"error","message":"The input (9000 tokens) is longer than the model's context length (8192 tokens).","type":"BadRequestError","code":400}"#,
            true,
        ),
        (r#"{"error":{"code":"1261","message":"Prompt exceeds max length"}}"#, true),
        (r#"{"type":"error","error":{"type":"1261","message":"Prompt exceeds max length"}}"#, true),
    ] {
        let error = map(400, body);
        assert!(matches!(error, LlmError::ContextLength(_)), "{body}: {error}");
        let document: Value = serde_json::from_str(body).unwrap();
        let error = from_member(document.get("error").unwrap_or(&document), &[]);
        let is_known = matches!(error, LlmError::ContextLength(_));
        assert_eq!(is_known, in_stream, "{body}: {error}");
    }
}

#[test]
fn a_list_of_faults_is_told_without_what_stood_there() {
    let fault = serde_json::json!({"type": "extra_forbidden", "input": "汉".repeat(1000),
        "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"});
    for body in [
        serde_json::json!({"detail": [fault]}),
        serde_json::json!({"object": "error", "message": {"detail": [fault]}, "code": null}),
    ] {
        let words = map(422, &body.to_string()).to_string();
        assert!(words.contains("seed") && !words.contains('汉'), "{words}");
    }
}

#[test]
fn what_a_request_refers_to_is_no_model() {
    for (words, code) in [
        (
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.",
            "provider_rejected",
        ),
        ("Previous response with id 'resp_1' not found.", "provider_rejected"),
        ("No such File object: file-1", "provider_rejected"),
        ("The model 'gpt-9' does not exist", "provider_unknown_model"),
    ] {
        let document = serde_json::json!({ "message": words, "type": "invalid_request_error" });
        let error = map(404, &serde_json::json!({ "error": document }).to_string());
        assert_eq!(lyceum_core::Problem::code(&error), code, "{error}");
    }
}
