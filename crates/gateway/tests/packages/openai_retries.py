"""Asks by chat completions with the package's own retries: what is in vain once, what is busy again."""

import os
import signal

import openai

# Without a word against it the package sleeps for as long as it is told.
signal.alarm(60)


def client(who):
    return openai.OpenAI(base_url=os.environ["ORIGIN"] + "/v1", api_key=who)


def ask(who, model):
    turns = [{"role": "user", "content": "one two three"}]
    return client(who).chat.completions.create(model=model, messages=turns)


try:
    ask("spent", "local-chat")
    raise AssertionError("a quota that is used up let a call through")
except openai.RateLimitError as error:
    assert error.code == "insufficient_quota", error
    assert int(error.response.headers["retry-after"]) > 60, error.response.headers

try:
    ask("ada", "status-401")
    raise AssertionError("a refused key of a provider answered")
except openai.InternalServerError as error:
    assert error.code == "provider_unauthorized", error

answer = ask("ada", "limited-1")
assert answer.choices[0].message.content == "You said: one two three", answer

print("{}")
