"""Asks by messages with the package's own retries: what is in vain once, what is busy again."""

import os
import signal

import anthropic

# Without a word against it the package sleeps for as long as it is told, up to a century.
signal.alarm(60)


def ask(who, model):
    client = anthropic.Anthropic(base_url=os.environ["ORIGIN"], api_key=who)
    turns = [{"role": "user", "content": "one two three"}]
    return client.messages.create(model=model, max_tokens=100, messages=turns)


try:
    ask("spent", "local-chat")
    raise AssertionError("a quota that is used up let a call through")
except anthropic.RateLimitError as error:
    assert error.body["error"]["code"] == "insufficient_quota", error
    assert int(error.response.headers["retry-after"]) > 60, error.response.headers

try:
    ask("ada", "status-401")
    raise AssertionError("a refused key of a provider answered")
except anthropic.InternalServerError as error:
    assert error.body["error"]["code"] == "provider_unauthorized", error

answer = ask("ada", "limited-1")
assert answer.content[0].text == "You said: one two three", answer

print("{}")
