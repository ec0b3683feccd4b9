"""Asks models of every provider by responses and older completions; prints what it saw as JSON."""

import json
import os

import openai

client = openai.OpenAI(
    base_url=os.environ["ORIGIN"] + "/v1", api_key="ada", max_retries=0, timeout=30
)
seen = {"calls": 0, "completion_tokens": 0, "failures": 0}
TEXT = "You said: one two three"
TOOL = {
    "type": "function",
    "name": "look_up",
    "description": "Looks a word up.",
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    "strict": False,
}


def counted(tokens):
    seen["calls"] += 1
    seen["completion_tokens"] += tokens


def check_response(model, response):
    assert response.status == "completed", response
    assert response.output_text == TEXT, response
    reasoning = [item for item in response.output if item.type == "reasoning"]
    assert reasoning[0].summary[0].text.startswith("let me see"), response
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens) == (3, 8), usage
    assert usage.input_tokens_details.cached_tokens == model["cached"], usage
    assert usage.output_tokens_details.reasoning_tokens == model["reasoning"], usage
    counted(usage.output_tokens)


def check_call(response):
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == ("look_up", {"word": "汉"}), response
    counted(response.usage.output_tokens)
    return call


for model in json.loads(os.environ["MODELS"]):
    name = model["name"]
    response = client.responses.create(model=name, input="one two three")
    check_response(model, response)
    # Checks the order and the identity of everything that comes.
    with client.responses.stream(model=name, input="one two three") as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        assert text == TEXT, text
        check_response(model, stream.get_final_response())

    if model["calls_tools"]:
        tools = name + "-tools"
        question = [{"role": "user", "content": "one two three"}]
        response = client.responses.create(model=tools, input=question, tools=[TOOL])
        check_call(response)
        with client.responses.stream(model=tools, input=question, tools=[TOOL]) as stream:
            response = stream.get_final_response()
        call = check_call(response)
        # What came back goes out again with the tool's result.
        items = [item.model_dump(exclude_none=True) for item in response.output]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "found"}
        again = client.responses.create(
            model=name, input=[*question, *items, result], tools=[TOOL]
        )
        assert again.status == "completed", again
        counted(again.usage.output_tokens)

    failed = None
    try:
        for event in client.responses.create(model=name + "-cut", input="one two three", stream=True):
            failed = event
        assert failed.type == "response.failed", failed
        assert failed.response.error.code == "provider_stream_broken", failed
    except openai.InternalServerError as error:
        # It broke before the stream had begun.
        assert error.code == "provider_stream_broken", error
    seen["failures"] += 1

    answer = client.completions.create(model=name, prompt="one two three", max_tokens=50)
    assert answer.choices[0].text == TEXT and answer.choices[0].finish_reason == "stop", answer
    counted(answer.usage.completion_tokens)
    text, usage = "", None
    for chunk in client.completions.create(
        model=name, prompt="one two three", stream=True, stream_options={"include_usage": True}
    ):
        text += chunk.choices[0].text if chunk.choices else ""
        usage = chunk.usage or usage
    assert text == TEXT, text
    counted(usage.completion_tokens)

for parameters, words in [
    ({"model": "gpt-9", "input": "a"}, "There is no model 'gpt-9'"),
    ({"model": "local-chat", "input": []}, "'input' must be a string"),
    ({"model": "local-chat", "input": "a", "previous_response_id": "resp_1"}, "not kept here"),
    ({"model": "local-chat", "input": "a", "background": True}, "not kept here"),
    ({"model": "local-chat", "input": "a", "tools": [{"type": "web_search"}]}, "'web_search'"),
]:
    try:
        client.responses.create(**parameters)
        raise AssertionError(f"{parameters} was accepted")
    except (openai.BadRequestError, openai.NotFoundError) as error:
        assert words in str(error), error

stored = client.responses.create(model="local-chat", input="one two three", store=True)
assert stored.model_dump()["store"] is False, stored
counted(stored.usage.output_tokens)

print(json.dumps(seen))
