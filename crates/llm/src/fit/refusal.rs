//! What a model refuses, from the words in which it does.

use super::Members;
use super::change::{Change, EFFORT, NEWER, OLDER};
use super::lessons::{Lesson, Stated};
use crate::responses::SEALED;

/// Members that an answer can be had without; it is then not what was asked for in every way, and
/// whoever asked is told. Tools, formats, limits and stop sequences are none of them.
const DISPENSABLE: [&str; 26] = [
    "cache_control",
    "enable_thinking",
    "frequency_penalty",
    "include",
    "logit_bias",
    "metadata",
    "min_p",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "temperature",
    "thinking",
    "thinking_budget",
    "tool_calls_switch",
    "top_k",
    "top_p",
    "user",
    "verbosity",
];

/// Members of messages that came from other models' answers.
const OF_ANSWERS: [&str; 4] =
    ["annotations", "extra_content", "reasoning_content", "reasoning_details"];

/// Those of which the mere mention is enough: what they are worth differs from model to model, and
/// servers say in many ways that they know none.
const MENTIONED: [&str; 3] = ["reasoning", "reasoning_effort", "stream_options"];

/// Words by which servers say that they do not know or take something.
const REFUSING: [&str; 14] = [
    "unsupported",
    "not support",
    "n't support",
    "not available",
    "unrecognized",
    "unknown",
    "unexpected field",
    "unexpected keyword",
    "unexpected parameter",
    "not permitted",
    "not allowed",
    "restricted to",
    "please remove",
    "不支持",
];

/// Words by which servers say that they know no such member at all, whatever its value.
const UNKNOWN: [&str; 5] =
    ["unknown", "unrecognized", "unsupported parameter", "unexpected", "extra inputs"];

/// Members of which a model may take one value and not another.
const ENUMERATED: [&str; 4] = ["prompt_cache_retention", EFFORT, "service_tier", "verbosity"];

/// Members of which a model that thinks may take nothing, and which it takes where it does not think.
const SAMPLING: [&str; 6] =
    ["frequency_penalty", "min_p", "presence_penalty", "temperature", "top_k", "top_p"];

/// Members that say whether and how hard to think.
const THINKING: [&str; 4] = ["enable_thinking", "reasoning", EFFORT, "thinking"];

/// What may be changed so that a request is taken that was refused in these words.
pub(super) fn answer(words: &str, members: &Members) -> Option<Lesson> {
    let words = words.to_lowercase();
    let refuses = REFUSING.iter().any(|phrase| words.contains(phrase));
    let asks = |name: &str| members.get(name).is_some_and(|raw| raw.get() != "null");
    let says = |name: &str| {
        let quoted = format!("\"{name}\"");
        members.get("messages").is_some_and(|raw| raw.get().contains(&quoted))
    };
    // Words that name the newer limit say what to use instead, where it is the older that was used.
    if refuses && names(&words, NEWER).is_some() && asks(OLDER) {
        return Some(Lesson::of(Change::Rename(OLDER, NEWER)));
    }
    if refuses && names(&words, NEWER).is_some() && asks(NEWER) {
        return Some(Lesson::of(Change::Rename(NEWER, OLDER)));
    }
    if words.contains("developer") && says("developer") {
        return Some(Lesson::of(Change::NoDeveloper));
    }
    if words.contains("encrypted content") && words.contains("could not be") {
        return Some(Lesson { lasts: false, ..Lesson::of(Change::LeaveOutSealed) });
    }
    // OpenAI's words for a model that does not think, and those of servers that know no such thing.
    let sealing = words.contains(SEALED) || (refuses && words.contains("encrypted content"));
    if sealing && asks("include") {
        return Some(Lesson::of(Change::NeverSeal));
    }
    let of_answers = OF_ANSWERS.iter().filter(|name| refuses && says(name));
    let of_answers = of_answers.filter_map(|&name| {
        Some((names(&words, name)?, Lesson::of(Change::LeaveOutOfMessages(name))))
    });
    let dispensable = DISPENSABLE.iter().filter(|name| asks(name));
    let dispensable = dispensable.filter_map(|&name| {
        let place = names(&words, name)?;
        let mentioned = MENTIONED.contains(&name);
        (refuses || mentioned).then(|| (place, left_out(name, &words, refuses, members)))
    });
    // What is named first is what it is about.
    of_answers.chain(dispensable).min_by_key(|(place, _)| *place).map(|(_, lesson)| lesson)
}

/// That a member is left out: whatever it says, or where it says the same again. What is refused of
/// sampling is remembered beside the same words on thinking alone: others may be taken.
fn left_out(name: &'static str, words: &str, refuses: bool, members: &Members) -> Lesson {
    let of_value = words.contains("value") && !words.contains("only the default");
    let of_value = of_value || (!refuses && name != "stream_options");
    let of_value = of_value || (ENUMERATED.contains(&name) && !is_unknown(words));
    let beside = THINKING.into_iter().filter(|_| SAMPLING.contains(&name));
    let stated = |name: &'static str| -> Option<Stated> {
        let raw = members.get(name).filter(|raw| raw.get() != "null")?;
        Some((name, raw.get().to_owned()))
    };
    let when = of_value.then_some(name).into_iter().chain(beside).filter_map(stated).collect();
    // Some take no effort beside tools, and take it without.
    Lesson { change: Change::LeaveOut(name), when, lasts: !words.contains("tools") }
}

/// Whether words say of a member, and not of its value, that it is not known.
fn is_unknown(words: &str) -> bool {
    UNKNOWN.iter().any(|phrase| words.contains(phrase)) && !words.contains("unknown variant")
}

/// What stands before a name that is a word of everyday language as well.
const MARKS: [&str; 9] =
    ["'", "\"", "`", ".", ": ", "support ", "argument ", "field ", "parameter "];

/// Where words name a member, and do not just use its name as a word.
fn names(words: &str, name: &str) -> Option<usize> {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    words.match_indices(name).map(|(at, _)| at).find(|&at| {
        let (before, after) = (&words[..at], &words[at + name.len()..]);
        let marked = before.is_empty() || MARKS.iter().any(|mark| before.ends_with(mark));
        !inside(before.chars().next_back())
            && !inside(after.chars().next())
            && (marked || name.contains('_'))
    })
}
