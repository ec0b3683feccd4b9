use serde_json::{Value, json};

use super::change::Change;
use super::*;

fn members(request: &Value) -> Members {
    members_of(request).unwrap()
}

fn document(members: &Members) -> Value {
    serde_json::to_value(members).unwrap()
}

fn fitter(provider: &str) -> Fitter {
    Fitter { server: Server::of(provider), ..Fitter::default() }
}

/// A request as it goes to a provider, and what had no effect.
fn fitted(provider: &str, request: &Value) -> (Value, Vec<String>) {
    let mut members = members(request);
    let left_out = fitter(provider).fit("m", &mut members);
    (document(&members), left_out)
}

#[test]
fn each_provider_gets_what_its_models_are_known_to_take() {
    let developer = json!([{"role": "developer", "content": "the \"developer\""},
        {"role": "user", "content": "hi"}]);
    let system = json!([{"role": "system", "content": "the \"developer\""},
        {"role": "user", "content": "hi"}]);
    let asked = json!({"messages": developer, "max_completion_tokens": 5, "top_k": 3});
    for (provider, limit, messages, top_k) in [
        ("openai", "max_completion_tokens", &developer, false),
        ("custom", "max_completion_tokens", &developer, true),
        ("doubao", "max_completion_tokens", &system, true),
        ("deepseek", "max_tokens", &system, true),
        ("qwen", "max_tokens", &system, true),
        ("spark", "max_tokens", &system, true),
        ("ollama", "max_tokens", &system, true),
    ] {
        let (sent, left_out) = fitted(provider, &asked);
        let mut expected = json!({"messages": messages, limit: 5});
        if top_k {
            expected["top_k"] = json!(3);
        }
        assert_eq!(sent, expected, "{provider}");
        assert_eq!(left_out.is_empty(), top_k, "{provider}");
    }
    let both = json!({"max_tokens": null, "max_completion_tokens": 5});
    assert_eq!(fitted("deepseek", &both).0, json!({"max_tokens": 5}));
    let older = json!({"prompt": "once", "max_tokens": 5});
    assert_eq!(fitted("openai", &older).0, older);
    let (sent, _) = fitted("openai", &json!({"messages": [], "max_tokens": 5}));
    assert_eq!(sent, json!({"messages": [], "max_completion_tokens": 5}));
}

#[test]
fn calls_of_tools_are_asked_for_as_a_list() {
    let (sent, _) = fitted("spark", &json!({"tools": [{}], "messages": []}));
    assert_eq!(sent["tool_calls_switch"], true);
    let (sent, _) = fitted("spark", &json!({"tools": [{}], "tool_calls_switch": false}));
    assert_eq!(sent["tool_calls_switch"], false);
    assert_eq!(fitted("spark", &json!({"messages": []})).0, json!({"messages": []}));
}

#[test]
fn how_hard_to_think_is_said_in_the_providers_own_words() {
    let (on, off) = (json!({"type": "enabled"}), json!({"type": "disabled"}));
    for (provider, effort, expected) in [
        ("qwen", "none", json!({"enable_thinking": false})),
        ("qwen", "minimal", json!({"enable_thinking": false})),
        ("qwen", "low", json!({"enable_thinking": true, "thinking_budget": 4096})),
        ("qwen", "medium", json!({"enable_thinking": true, "thinking_budget": 16384})),
        ("qwen", "high", json!({"enable_thinking": true})),
        ("deepseek", "none", json!({"thinking": off})),
        ("deepseek", "high", json!({"thinking": on, "reasoning_effort": "high"})),
        ("doubao", "minimal", json!({"thinking": off})),
        ("doubao", "low", json!({"thinking": on, "reasoning_effort": "low"})),
        ("openai", "low", json!({"reasoning_effort": "low"})),
        ("custom", "none", json!({"reasoning_effort": "none"})),
    ] {
        let (sent, left_out) = fitted(provider, &json!({"reasoning_effort": effort}));
        assert_eq!((sent, left_out), (expected, Vec::new()), "{provider} {effort}");
    }
    // Who speaks the provider's own words means them.
    for (provider, own) in [
        ("qwen", json!({"enable_thinking": false})),
        ("deepseek", json!({"thinking": {"type": "disabled"}})),
    ] {
        let mut asked = own.clone();
        asked["reasoning_effort"] = json!("high");
        let (sent, _) = fitted(provider, &asked);
        let (name, value) = own.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&sent[name], value, "{provider}");
    }
}

#[test]
fn words_of_a_refusal_say_what_to_change() {
    let leave_out = |name| Some((Change::LeaveOut(name), Vec::new()));
    let beside = |left_out, name, value: &str| {
        Some((Change::LeaveOut(left_out), vec![(name, value.to_owned())]))
    };
    let value = |name, value: &str| beside(name, name, value);
    let of_messages = |name| Some((Change::LeaveOutOfMessages(name), Vec::new()));
    let older = json!({"max_tokens": 5});
    let newer = json!({"max_completion_tokens": 5});
    let sampled = json!({"temperature": 0.5, "top_p": 0.5, "user": "ada", "seed": 7});
    let thinks = json!({"reasoning_effort": "minimal"});
    let sampled_thought = json!({"temperature": 0.5, "reasoning_effort": "high"});
    let tier = json!({"service_tier": "flex"});
    let turns = json!({"messages": [{"role": "assistant", "reasoning_content": "hm"}]});
    for (words, request, expected) in [
        // OpenAI.
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            &older,
            Some((Change::Rename("max_tokens", "max_completion_tokens"), Vec::new())),
        ),
        ("max_tokens is too large: 100000.", &older, None),
        (
            "Unrecognized request argument supplied: max_completion_tokens",
            &newer,
            Some((Change::Rename("max_completion_tokens", "max_tokens"), Vec::new())),
        ),
        (
            "Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.",
            &sampled,
            leave_out("temperature"),
        ),
        (
            "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model.",
            &thinks,
            value("reasoning_effort", "\"minimal\""),
        ),
        (
            "Unrecognized request argument supplied: reasoning_effort",
            &thinks,
            leave_out("reasoning_effort"),
        ),
        (
            "Unsupported parameter: 'temperature' is not supported with this model.",
            &sampled_thought,
            beside("temperature", "reasoning_effort", "\"high\""),
        ),
        (
            "The service_tier flex is not available for this model.",
            &tier,
            value("service_tier", "\"flex\""),
        ),
        (
            "service_tier: unknown variant `flex`, expected `auto` or `default`",
            &tier,
            value("service_tier", "\"flex\""),
        ),
        ("Unknown parameter: 'service_tier'.", &tier, leave_out("service_tier")),
        ("Invalid value for 'temperature': must be at most 2.", &sampled, None),
        ("Unknown parameter: 'stop'.", &json!({"stop": "x"}), None),
        // Mistral.
        (
            r#"[{"loc":["body","seed"],"msg":"Extra inputs are not permitted","type":"extra_forbidden"}]"#,
            &sampled,
            leave_out("seed"),
        ),
        (
            r#"[{"loc":["body","messages",2,"assistant","reasoning_content"],"msg":"Extra inputs are not permitted"}]"#,
            &turns,
            of_messages("reasoning_content"),
        ),
        // Groq.
        (
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]",
            &turns,
            of_messages("reasoning_content"),
        ),
        // An older server.
        (
            "body.stream_options: additional property",
            &json!({"stream_options": {"include_usage": true}}),
            leave_out("stream_options"),
        ),
        // DeepSeek wants it.
        (
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
            &turns,
            None,
        ),
        // A word is no name.
        ("Unknown role: the user of this model is not supported.", &sampled, None),
    ] {
        let lesson = refusal::answer(words, &members(request));
        let found = lesson.map(|lesson| (lesson.change, lesson.when));
        assert_eq!(found, expected, "{words}");
    }
    let asked = json!({"messages": [{"role": "developer", "content": "x"}]});
    let words = "messages[0].role: unknown variant `developer`, expected one of `system`, `user`";
    let lesson = refusal::answer(words, &members(&asked)).unwrap();
    assert_eq!(lesson.change, Change::NoDeveloper);
}

#[test]
fn what_was_learned_of_one_model_holds_for_it_alone() {
    let lessons = Lessons::default();
    let here = Fitter { lessons: lessons.at("https://a.test/"), ..Fitter::default() };
    let there = Fitter { lessons: lessons.at("https://b.test/"), ..Fitter::default() };
    let of_value = Lesson {
        change: Change::LeaveOut("reasoning_effort"),
        when: vec![("reasoning_effort", "\"minimal\"".to_owned())],
        lasts: true,
    };
    let passing = Lesson { lasts: false, ..Lesson::of(Change::LeaveOut("seed")) };
    let taught = vec![Lesson::of(Change::LeaveOut("top_p")), of_value, passing];
    here.lessons.learn("m", taught);
    let asked = json!({"top_p": 0.5, "seed": 7, "reasoning_effort": "minimal"});
    for (fitter, model, expected) in [
        (&here, "m", vec!["top_p", "reasoning_effort"]),
        (&here, "n", vec![]),
        (&there, "m", vec![]),
    ] {
        assert_eq!(fitter.fit(model, &mut members(&asked)), expected, "{model}");
    }
    let other = json!({"reasoning_effort": "low"});
    assert!(here.fit("m", &mut members(&other)).is_empty());
    assert_eq!(here.left_out_of("m"), ["top_p"]);
    assert_eq!(fitter("openai").left_out_of("any"), ["top_k"]);
    // What is told of a request is the same before it is fitted.
    let asked = members(&json!({"top_p": null, "seed": 7, "reasoning_effort": "minimal"}));
    assert_eq!(here.left_out_from("m", &asked), ["reasoning_effort"]);
}

#[test]
fn what_is_refused_beside_other_words_is_taken_without_them() {
    let fitter = fitter("custom");
    for (words, refused) in [
        (
            "Unsupported parameter: 'temperature' is not supported with this model.",
            json!({"temperature": 0.5, "reasoning_effort": "high"}),
        ),
        ("The service_tier flex is not available for this model.", json!({"service_tier": "flex"})),
    ] {
        let lesson = refusal::answer(words, &members(&refused)).unwrap();
        fitter.lessons.learn("m", vec![lesson]);
    }
    for (asked, expected) in [
        (json!({"temperature": 0.7, "reasoning_effort": "high"}), vec!["temperature"]),
        (json!({"temperature": 0.5, "reasoning_effort": "none"}), vec![]),
        (json!({"temperature": 0.5}), vec![]),
        (json!({"service_tier": "flex"}), vec!["service_tier"]),
        (json!({"service_tier": "priority"}), vec![]),
    ] {
        assert_eq!(fitter.fit("m", &mut members(&asked)), expected, "{asked}");
    }
}

#[test]
fn an_effort_has_no_effect_where_its_switch_is_refused() {
    let fitter = fitter("qwen");
    fitter.lessons.learn("m", vec![Lesson::of(Change::LeaveOut("enable_thinking"))]);
    let mut asked = members(&json!({"reasoning_effort": "high"}));
    assert_eq!(fitter.fit("m", &mut asked), ["enable_thinking", "reasoning_effort"]);
    assert_eq!(document(&asked), json!({}));
}

#[test]
fn a_model_without_reasoning_seals_none() {
    let own = "message.output_text.logprobs";
    let sealed = crate::responses::SEALED;
    for words in [
        "Encrypted content is not supported with this model.",
        "Invalid value: 'reasoning.encrypted_content'. Supported values are: 'a'.",
    ] {
        let fitter = fitter("openai");
        let mut asked = members(&json!({"include": [own, sealed], "reasoning": {}}));
        let lesson = refusal::answer(words, &asked).unwrap();
        assert_eq!(lesson, Lesson::of(Change::NeverSeal), "{words}");
        fitter.lessons.learn("m", vec![lesson]);
        assert_eq!(fitter.fit("m", &mut asked), Vec::<String>::new());
        assert_eq!(document(&asked)["include"], json!([own]));
        let mut asked = members(&json!({"include": [sealed]}));
        assert_eq!(fitter.fit("m", &mut asked), ["include"]);
        assert_eq!(document(&asked), json!({}));
    }
}

#[test]
fn nothing_was_left_out_where_nothing_was_sealed() {
    for (input, changed) in [
        (json!([{"role": "user", "content": "the \"encrypted_content\" of it"}]), false),
        (json!([{"content": [{"encrypted_content": "a"}]}]), false),
        (json!([{"encrypted_content": "a"}]), true),
    ] {
        let mut asked = members(&json!({"input": input}));
        assert_eq!(Change::LeaveOutSealed.apply(&mut asked), changed, "{input}");
    }
}
