"""Uses a Lyceum server as any program would; prints what it saw as JSON."""

import json

import openai

client = openai.OpenAI(max_retries=0)
names = [model.id for model in client.models.list()]
assert "ok" in names, names
embedding_model = next(name for name in names if "e5" in name)
chat_model = "qwen2.5-coder-0.5b-instruct"
assert chat_model in names, names

calls = 0
completion_tokens = 0
messages = [{"role": "user", "content": "Say the word: apple"}]

for model in ["ok", chat_model]:
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=16)
    assert answer.choices[0].message.content, answer
    completion_tokens += answer.usage.completion_tokens
    calls += 1

    text, usage = "", None
    stream = client.chat.completions.create(
        model=model,
        messages=messages,
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
        usage = chunk.usage or usage
    assert text and usage, (text, usage)
    completion_tokens += usage.completion_tokens
    calls += 1

    question = {"model": model, "input": "Say the word: apple", "max_output_tokens": 16}
    response = client.responses.create(**question)
    assert response.output_text and response.model_dump()["store"] is False, response
    completion_tokens += response.usage.output_tokens
    calls += 1
    with client.responses.stream(**question) as stream:
        events = list(stream)
    assert any(event.type == "response.output_text.delta" for event in events), events
    # A small model may talk on until its limit.
    assert events[-1].type in ("response.completed", "response.incomplete"), events[-1]
    completion_tokens += events[-1].response.usage.output_tokens
    calls += 1

    answer = client.completions.create(model=model, prompt="One, two,", max_tokens=16)
    assert answer.choices[0].text, answer
    completion_tokens += answer.usage.completion_tokens
    calls += 1

vectors = client.embeddings.create(model=embedding_model, input=["one", "two"])
assert len(vectors.data) == 2 and len(vectors.data[0].embedding) == 384
calls += 1

try:
    client.chat.completions.create(model="no-such-model", messages=messages)
    raise AssertionError("an unknown model was accepted")
except openai.NotFoundError as error:
    assert "ok" in str(error), error

try:
    openai.OpenAI(api_key="lyc_wrong", max_retries=0).models.list()
    raise AssertionError("a wrong key was accepted")
except openai.AuthenticationError:
    pass

print(json.dumps({"calls": calls, "completion_tokens": completion_tokens}))
