"""Uses a Lyceum server as a program that speaks Anthropic's protocol; prints what it saw as JSON."""

import json

import anthropic

client = anthropic.Anthropic(max_retries=0)
names = [model.id for model in client.models.list()]
chat_model = "qwen2.5-coder-0.5b-instruct"
assert "ok" in names and chat_model in names, names

calls = 0
completion_tokens = 0
messages = [{"role": "user", "content": "Say the word: apple"}]

for model in ["ok", chat_model]:
    question = {"model": model, "messages": messages, "max_tokens": 16}
    answer = client.messages.create(**question)
    assert answer.content[0].text and answer.usage.input_tokens, answer
    completion_tokens += answer.usage.output_tokens
    calls += 1

    with client.messages.stream(**question) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    assert text and answer.content[0].text == text, answer
    assert answer.stop_reason in ("end_turn", "max_tokens"), answer
    completion_tokens += answer.usage.output_tokens
    calls += 1

    assert client.messages.count_tokens(model=model, messages=messages).input_tokens > 3

try:
    client.messages.create(model="no-such-model", messages=messages, max_tokens=16)
    raise AssertionError("an unknown model was accepted")
except anthropic.NotFoundError as error:
    assert "ok" in str(error), error

try:
    wrong = anthropic.Anthropic(api_key="lyc_wrong", max_retries=0)
    wrong.messages.create(model="ok", messages=messages, max_tokens=16)
    raise AssertionError("a wrong key was accepted")
except anthropic.AuthenticationError as error:
    assert error.body["error"]["type"] == "authentication_error", error

print(json.dumps({"calls": calls, "completion_tokens": completion_tokens}))
