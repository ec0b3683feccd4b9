"""Asks models of every provider by messages; prints what it saw as JSON."""

import json
import os

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ["ORIGIN"], api_key="ada", max_retries=0, timeout=30
)
seen = {"calls": 0, "completion_tokens": 0, "failures": 0}
TEXT = "You said: one two three"
TOOL = {
    "name": "look_up",
    "description": "Looks a word up.",
    "input_schema": {"type": "object", "properties": {"word": {"type": "string"}}},
}
QUESTION = [{"role": "user", "content": "one two three"}]
ANTHROPIC = "anthropic-2"


def counted(tokens):
    seen["calls"] += 1
    seen["completion_tokens"] += tokens


def check_message(model, message):
    assert message.stop_reason == "end_turn", message
    thinking = [block for block in message.content if block.type == "thinking"]
    assert thinking[0].thinking.startswith("let me see") and thinking[0].signature, message
    assert "".join(b.text for b in message.content if b.type == "text") == TEXT, message
    usage = message.usage
    cached = usage.cache_read_input_tokens
    assert (usage.input_tokens + cached, cached) == (3, model["cached"]), usage
    assert usage.output_tokens == 8, usage
    details = usage.output_tokens_details
    assert (details.thinking_tokens if details else 0) == model["reasoning"], usage
    counted(usage.output_tokens)


def check_call(message):
    assert message.stop_reason == "tool_use", message
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("look_up", {"word": "汉"}), message
    counted(message.usage.output_tokens)
    return call


for model in json.loads(os.environ["MODELS"]):
    name = model["name"]
    request = {"model": name, "max_tokens": 100, "messages": QUESTION}
    answer = client.messages.with_raw_response.create(**request)
    assert answer.headers["request-id"] and answer.headers["x-lyceum-model"] == "think"
    check_message(model, answer.parse())
    with client.messages.stream(**request) as stream:
        assert "".join(stream.text_stream) == TEXT
        check_message(model, stream.get_final_message())

    if model["calls_tools"]:
        request = {**request, "model": name + "-tools", "tools": [TOOL]}
        check_call(client.messages.create(**request))
        with client.messages.stream(**request) as stream:
            message = stream.get_final_message()
        call = check_call(message)
        # What came back goes out again with the tool's result.
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "found"}
        turns = [
            *QUESTION,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        again = client.messages.create(
            model=name, max_tokens=100, messages=turns, tools=[TOOL]
        )
        assert again.stop_reason == "end_turn", again
        counted(again.usage.output_tokens)

    try:
        with client.messages.stream(
            model=name + "-cut", max_tokens=100, messages=QUESTION
        ) as stream:
            stream.get_final_message()
        raise AssertionError("a stream that was cut was taken for whole")
    except anthropic.APIStatusError as error:
        assert error.body["error"]["code"] == "provider_stream_broken", error
        assert error.body["error"]["type"] == "api_error", error
    seen["failures"] += 1

    count = client.messages.count_tokens(model=name, messages=QUESTION)
    if name == ANTHROPIC:
        assert count.input_tokens == 3, count
        counted(0)
    else:
        assert count.input_tokens == 8, count

names = [model.id for model in client.models.list(limit=3)]
assert ANTHROPIC in names and "local-chat" in names and len(names) == len(set(names)), names
assert client.models.retrieve(ANTHROPIC).display_name == ANTHROPIC

for parameters, expected, words in [
    ({"model": "claude-9"}, anthropic.NotFoundError, "There is no model 'claude-9'"),
    ({"messages": []}, anthropic.BadRequestError, "at least one message"),
    ({"max_tokens": 0}, anthropic.BadRequestError, "'max_tokens' is required"),
    (
        {"messages": [{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c9", "content": "x"}]}]},
        anthropic.BadRequestError,
        "no 'tool_use' block of the id 'c9'",
    ),
]:
    request = {"model": "local-chat", "max_tokens": 10, "messages": QUESTION, **parameters}
    try:
        client.messages.create(**request)
        raise AssertionError(f"{parameters} was accepted")
    except expected as error:
        assert words in str(error), error

try:
    anthropic.Anthropic(
        base_url=os.environ["ORIGIN"], api_key="nobody", max_retries=0
    ).messages.create(model="local-chat", max_tokens=10, messages=QUESTION)
    raise AssertionError("a wrong key was accepted")
except anthropic.AuthenticationError:
    pass

print(json.dumps(seen))
