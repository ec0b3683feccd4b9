use lyceum_llm::Content;

use super::*;

/// Everything that a request can have, in the form of each surface.
fn everything(surface: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    let parameters =
        json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]});
    let sealed = "lyceum:eyJnb29nbGUiOnsidGhvdWdodF9zaWduYXR1cmUiOiJjMmxuIn19";
    match surface {
        "messages" => json!({
            "model": "m", "max_tokens": 5000, "temperature": 0.5, "top_p": 0.9, "top_k": 40,
            "stop_sequences": ["END"], "metadata": {"user_id": "ada"}, "stream": true,
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "output_config": {"format": {"type": "json_schema", "schema": schema}},
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "Be kind."}],
            "tools": [{"name": "look_up", "description": "Looks a word up.",
                "input_schema": parameters}],
            "tool_choice": {"type": "tool", "name": "look_up", "disable_parallel_tool_use": true},
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                        "data": "iVBORw0K"}},
                    {"type": "document", "title": "a.pdf", "source": {"type": "base64",
                        "media_type": "application/pdf", "data": "JVBERi0="}}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "A word.", "signature": "lyceum:"},
                    {"type": "text", "text": "Let me see."},
                    {"type": "redacted_thinking", "data": sealed},
                    {"type": "tool_use", "id": "call_1", "name": "look_up",
                        "input": {"word": "汉"}},
                    {"type": "tool_use", "id": "call_2", "name": "look_up", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [
                        {"type": "text", "text": "found"},
                        {"type": "image", "source": {"type": "url",
                            "url": "https://example.com/b.png"}}]},
                    {"type": "tool_result", "tool_use_id": "call_2", "is_error": true,
                        "content": "nothing"},
                    {"type": "text", "text": "And now?"}]},
            ],
        }),
        "responses" => json!({
            "model": "m", "max_output_tokens": 5000, "temperature": 0.5, "top_p": 0.9,
            "stream": true, "store": true, "include": ["reasoning.encrypted_content"],
            "user": "ada", "parallel_tool_calls": false, "instructions": "Be brief.",
            "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"verbosity": "low", "format":
                {"type": "json_schema", "name": "reply", "strict": true, "schema": schema}},
            "tools": [{"type": "function", "name": "look_up", "description": "Looks a word up.",
                "parameters": parameters, "strict": true}],
            "tool_choice": {"type": "function", "name": "look_up"},
            "input": [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K",
                        "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERi0="}]},
                {"type": "reasoning", "id": "rs_1", "encrypted_content": "lyceum:",
                    "summary": [{"type": "summary_text", "text": "A word."}]},
                {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
                    "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}]},
                {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": sealed},
                {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look_up",
                    "arguments": "{\"word\":\"汉\"}"},
                {"type": "function_call", "call_id": "call_2", "name": "look_up",
                    "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": [
                    {"type": "input_text", "text": "found"},
                    {"type": "input_image", "image_url": "https://example.com/b.png"}]},
                {"type": "function_call_output", "call_id": "call_2", "output": "nothing"},
                {"role": "user", "content": "And now?"},
            ],
        }),
        // Chat completions in their older words for tools.
        "functions" => json!({
            "model": "m", "max_tokens": 500, "function_call": {"name": "look_up"},
            "functions": [{"name": "look_up", "description": "Looks a word up.",
                "parameters": parameters}],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "What is this?"},
                {"role": "assistant", "content": null,
                    "function_call": {"name": "look_up", "arguments": "{\"word\":\"汉\"}"}},
                {"role": "function", "name": "look_up", "content": "{\"found\":true}"},
                {"role": "user", "content": "And now?"},
            ],
        }),
        _ => json!({"model": "m", "prompt": ["Once upon"], "max_tokens": 50, "temperature": 0.5,
            "top_p": 0.9, "stop": ["END"], "seed": 7, "n": 1, "echo": false, "suffix": "",
            "logprobs": null, "user": "ada", "presence_penalty": 0.25, "stream": true}),
    }
}

fn read(surface: &str, body: &Value) -> Result<ChatRequest, BadRequest> {
    match surface {
        "messages" => messages::request(body),
        "responses" => responses::request(body),
        "functions" => chat::request(serde_json::from_value(body.clone()).unwrap()),
        _ => completions::request(body),
    }
}

/// Leaves out parts of messages.
fn leave_out(request: &mut ChatRequest, unwanted: impl Fn(&Value) -> bool) {
    for message in &mut request.messages {
        if let Some(Content::Parts(parts)) = &mut message.content {
            parts.retain(|part| !unwanted(&serde_json::to_value(part).unwrap()));
        }
    }
}

#[tokio::test]
async fn what_is_asked_goes_out_in_the_form_of_every_provider() {
    for surface in ["messages", "responses", "completions", "functions"] {
        let request = read(surface, &everything(surface)).unwrap();
        let openai = serde_json::to_value(&request).unwrap();
        golden_json(&format!("surfaces/{surface}.to.openai.json"), &openai);
        let wire = Wire::start().await;
        let clients: [(&str, &str, Box<dyn ChatModel>); 4] = [
            ("anthropic", "claude-sonnet-4-5", Box::new(AnthropicClient::at(wire.at("")))),
            ("gemini", "gemini-2.5-flash", Box::new(GeminiClient::at(wire.at("")))),
            ("ollama", "qwen3", Box::new(OllamaClient::at(wire.at("")))),
            ("responses", "gpt-5", Box::new(ResponsesClient::at(wire.at("/v1")))),
        ];
        for (provider, model, client) in clients {
            let mut request = ChatRequest { model: model.to_owned(), ..request.clone() };
            // What is elsewhere would be fetched for them, which other tests show.
            if matches!(provider, "gemini" | "ollama") {
                leave_out(&mut request, |part| {
                    let url = part["image_url"]["url"].as_str().unwrap_or_default();
                    url.starts_with("https:") || (provider == "ollama" && part["type"] == "file")
                });
            }
            drop(client.chat(request).await);
            let sent = wire.last().json();
            golden_json(&format!("surfaces/{surface}.to.{provider}.json"), &sent);
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_back_has_what_its_provider_wants_with_it() {
    let wire = Wire::start().await;
    let client = GeminiClient::at(wire.at(""));
    let mut answer = Answer::new("0");
    for event in said(&wire, &client, "gemini").await {
        answer.take(event);
    }
    let signed = answer.parts.iter().find_map(|part| match part {
        lyceum_llm::surface::Part::Call(call) => call.extra_content.clone(),
        _ => None,
    });
    let signed = signed.expect("the recorded answer has a signed call");
    let message = Messages::new(head()).document(answer.clone());
    let turns = json!({"model": "m", "messages": [{"role": "user", "content": "q"},
        {"role": "assistant", "content": message["content"]}]});
    let mut items = vec![json!({"role": "user", "content": "q"})];
    let response = Responses::new(head(), &json!({})).document(answer);
    items.extend(response["output"].as_array().unwrap().clone());
    for (surface, body) in
        [("messages", turns), ("responses", json!({"model": "m", "input": items}))]
    {
        let request = read(surface, &body).unwrap();
        let calls = request.messages.last().unwrap().extra["tool_calls"].clone();
        let carried = calls.as_array().unwrap().iter().find_map(|call| call.get("extra_content"));
        assert_eq!(carried, Some(&signed), "{surface}: {calls}");
    }
}

#[test]
fn the_thinking_of_others_is_not_shown_to_the_provider_itself() {
    let mut turns = everything("messages")["messages"].clone();
    messages::without_foreign(&mut turns);
    let kinds: Vec<_> =
        turns[1]["content"].as_array().unwrap().iter().map(|b| b["type"].clone()).collect();
    assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
    let own = json!([{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "x", "signature": "EqQB"}]}]);
    let mut same = own.clone();
    messages::without_foreign(&mut same);
    assert_eq!(same, own);
    let mut input = everything("responses")["input"].clone();
    assert_eq!(responses::stand_alone(&mut input), Ok(true));
    assert!(!input.to_string().contains("lyceum:") && input.as_array().unwrap().len() == 8);
}

#[test]
fn an_input_stands_alone_where_nothing_is_kept() {
    let thought = |sealed: Value, content: Value| {
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed,
            "content": content})
    };
    let written = json!([{"type": "reasoning_text", "text": "hm"}]);
    for (item, stays) in [
        (thought(json!("gAAA"), Value::Null), true),
        (thought(Value::Null, Value::Null), false),
        (thought(Value::Null, json!([])), false),
        // A model that is open, at a server of its own.
        (thought(Value::Null, written.clone()), true),
        (thought(json!("lyceum:"), written), false),
        (json!({"role": "user", "content": "the \"reasoning\""}), true),
    ] {
        let mut input = json!([item]);
        assert_eq!(responses::stand_alone(&mut input), Ok(!stays), "{item}");
        assert_eq!(input.as_array().unwrap().len(), usize::from(stays), "{item}");
    }
    let mut input = json!([{"role": "user", "content": "hi"},
        {"type": "item_reference", "id": "msg_1"}]);
    let error = responses::stand_alone(&mut input).unwrap_err();
    assert_eq!(error.0, "input.1: answers are not kept here; send the item itself.");
}

/// Of `allowed_tools` the model sees those that it may call, whoever serves it.
#[tokio::test]
async fn of_all_tools_a_response_may_allow_some() {
    let function = |name: &str| json!({"type": "function", "name": name});
    for (mode, chosen) in [("auto", Value::Null), ("required", json!("any"))] {
        let body = json!({"model": "m", "input": "hi", "tools": [function("f"), function("g")],
            "tool_choice": {"type": "allowed_tools", "mode": mode, "tools": [function("g")]}});
        let request = read("responses", &body).unwrap();
        let named = json!({"type": "function", "function": {"name": "g"}});
        let choice = json!({"type": "allowed_tools",
            "allowed_tools": {"mode": mode, "tools": [named]}});
        assert_eq!(request.extra["tool_choice"], choice);
        let wire = Wire::start().await;
        drop(AnthropicClient::at(wire.at("")).chat(request).await);
        let sent = wire.last().json();
        let names: Vec<_> =
            sent["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!((names, &sent["tool_choice"]["type"]), (vec![&json!("g")], &chosen));
    }
}

#[test]
fn what_cannot_be_had_is_named_with_its_place() {
    let turn = |content: Value| {
        json!({"model": "m", "max_tokens": 5, "messages":
        [{"role": "user", "content": content}]})
    };
    let with = |name: &str, value: Value| {
        let mut body = turn(json!("hi"));
        body[name] = value;
        body
    };
    for (body, words) in [
        (json!({"model": "m"}), "messages: is required."),
        (json!({"model": "m", "messages": []}), "messages: at least one message is required."),
        (json!({"model": "m", "messages": 7}), "messages: must be a list."),
        (
            json!({"model": 7, "messages": [{"role": "user", "content": "a"}]}),
            "model: must be a string.",
        ),
        (
            json!({"messages": [{"role": "robot", "content": "a"}]}),
            "messages.0.role: nobody is 'robot'.",
        ),
        (turn(json!(7)), "messages.0.content: must be a list."),
        (turn(json!([{"type": "text"}])), "messages.0.content.0.text: is required."),
        (
            turn(json!([{"type": "tool_result", "tool_use_id": "c9", "content": "x"}])),
            "messages.0.content.0: there is no 'tool_use' block of the id 'c9' in the \
             assistant's turn before.",
        ),
        (
            turn(json!([{"type": "image", "source": {"type": "file", "file_id": "f"}}])),
            "messages.0.content.0.source: this model's provider takes no sources of type 'file'.",
        ),
        (
            turn(json!([{"type": "server_tool_use"}])),
            "messages.0.content.0: this model's provider takes no blocks of type \
             'server_tool_use'.",
        ),
        (
            with("max_tokens", json!("many")),
            "max_tokens: is not valid (must be a whole number from 0 to 4294967295, not a string).",
        ),
        (
            with("tools", json!([{"type": "web_search_20250305", "name": "web_search"}])),
            "tools.0: this model's provider has no tool 'web_search_20250305'.",
        ),
        (with("tools", json!([{"name": "f"}])), "tools.0.input_schema: is required."),
        (
            with("mcp_servers", json!([{"url": "x"}])),
            "mcp_servers: is Anthropic's own; this model's provider has no such thing.",
        ),
    ] {
        assert_eq!(read("messages", &body).unwrap_err().0, words);
    }
    let input = |items: Value| json!({"model": "m", "input": items});
    let with = |name: &str, value: Value| {
        let mut body = input(json!("hi"));
        body[name] = value;
        body
    };
    let choosing = |choice: Value| {
        let mut body = with("tools", json!([{"type": "function", "name": "f"}]));
        body["tool_choice"] = choice;
        body
    };
    for (body, words) in [
        (json!({"model": "m"}), "input: is required."),
        (
            input(json!([{"type": "item_reference", "id": "msg_1"}])),
            "input.0: answers are not kept here; send the item itself.",
        ),
        (
            input(json!([{"type": "function_call_output", "call_id": "c9", "output": "x"}])),
            "input.0: there is no 'function_call' of the call_id 'c9' before.",
        ),
        (
            input(json!([{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}])),
            "input.0.content.0.image_url: is required.",
        ),
        (
            with("tools", json!([{"type": "web_search"}])),
            "tools.0: this model's provider has no tool 'web_search', only functions.",
        ),
        (with("tool_choice", json!("maybe")), ""),
        (
            choosing(json!({"type": "allowed_tools", "mode": "any", "tools": []})),
            "tool_choice.mode: there is no mode 'any'.",
        ),
        (
            choosing(json!({"type": "allowed_tools", "mode": "auto"})),
            "tool_choice.tools: is required.",
        ),
        (
            choosing(json!({"type": "allowed_tools", "mode": "auto",
                "tools": [{"type": "mcp", "server_label": "s"}]})),
            "tool_choice.tools.0: this model's provider has no tool 'mcp', only functions.",
        ),
    ] {
        match read("responses", &body) {
            Err(error) => assert_eq!(error.0, words),
            // A choice without tools means nothing.
            Ok(_) => assert_eq!(words, ""),
        }
    }
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("background", json!(true)),
        ("prompt", json!({"id": "pmpt_1"})),
    ] {
        let error = responses::check(&with(name, value)).unwrap_err();
        assert!(error.0.starts_with(&format!("{name}: answers are not kept here; ")), "{error}");
    }
    for harmless in [json!({"store": true}), json!({"background": false}), json!({"prompt": null})]
    {
        let (name, value) = harmless.as_object().unwrap().iter().next().unwrap();
        assert_eq!(responses::check(&with(name, value.clone())), Ok(()));
    }
    for (name, value, words) in [
        ("n", json!(2), "n: this model takes nothing but 1."),
        ("echo", json!(true), "echo: this model takes nothing but false."),
        ("suffix", json!("x"), "suffix: is not to be had from this model."),
        ("logprobs", json!(3), "logprobs: is not to be had from this model."),
        (
            "prompt",
            json!([1, 2]),
            "prompt: this model takes one string; no lists of tokens or of prompts.",
        ),
        (
            "prompt",
            json!(["a", "b"]),
            "prompt: this model takes one string; no lists of tokens or of prompts.",
        ),
    ] {
        let mut body = everything("completions");
        body[name] = value;
        assert_eq!(read("completions", &body).unwrap_err().0, words);
    }
}

#[test]
fn failures_have_the_form_of_the_surface() {
    let fault = |status: u16| Fault {
        status: http::StatusCode::from_u16(status).unwrap(),
        code: "some_code",
        message: "Words.",
        param: Some("tools.0"),
    };
    assert_eq!(fault(400).openai()["error"]["param"], "tools.0");
    assert_eq!(Fault { param: None, ..fault(400) }.openai()["error"]["param"], json!(null));
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
    ] {
        let document = fault(status).anthropic();
        assert_eq!(
            (&document["type"], &document["error"]["type"]),
            (&json!("error"), &json!(kind))
        );
    }
    let stream = Messages::new(head()).fail(&fault(502));
    let (name, event) = parsed(&stream).remove(0);
    assert_eq!((name.as_str(), &event["error"]["message"]), ("error", &json!("Words.")));
    let mut writer = Responses::new(head(), &json!({"input": "hi"}));
    writer.adopt("resp_theirs", "served");
    let (name, event) = parsed(&writer.fail(&fault(502))).remove(0);
    assert_eq!(name, "response.failed");
    let response = &event["response"];
    assert_eq!((&response["id"], &response["status"]), (&json!("resp_theirs"), &json!("failed")));
    assert_eq!(response["error"], json!({"code": "some_code", "message": "Words."}));
}
