// Asks models of every provider by responses, chat and older completions; prints what it saw as JSON.
import assert from "node:assert/strict";

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.ORIGIN}/v1`,
  apiKey: "ada",
  maxRetries: 0,
  timeout: 30_000,
});
const seen = { calls: 0, completion_tokens: 0, failures: 0 };
const text = "You said: one two three";
const tool = {
  type: "function",
  name: "look_up",
  parameters: { type: "object", properties: { word: { type: "string" } } },
  strict: false,
};

function counted(tokens) {
  seen.calls += 1;
  seen.completion_tokens += tokens;
}

function checkResponse(response) {
  assert.equal(response.status, "completed");
  assert.equal(response.output_text, text);
  assert.deepEqual([response.usage.input_tokens, response.usage.output_tokens], [3, 8]);
  counted(response.usage.output_tokens);
}

for (const { name, calls_tools } of JSON.parse(process.env.MODELS)) {
  const question = { model: name, input: "one two three" };
  checkResponse(await client.responses.create(question));
  let deltas = "";
  const stream = client.responses.stream(question);
  stream.on("response.output_text.delta", (event) => (deltas += event.delta));
  checkResponse(await stream.finalResponse());
  assert.equal(deltas, text);

  if (calls_tools) {
    const input = [{ role: "user", content: "one two three" }];
    const asked = client.responses.stream({ model: `${name}-tools`, input, tools: [tool] });
    const response = await asked.finalResponse();
    const call = response.output.find((item) => item.type === "function_call");
    assert.deepEqual([call.name, JSON.parse(call.arguments)], ["look_up", { word: "汉" }]);
    counted(response.usage.output_tokens);
    const result = { type: "function_call_output", call_id: call.call_id, output: "found" };
    const turns = [...input, ...response.output, result];
    const again = await client.responses.create({ model: name, input: turns, tools: [tool] });
    assert.equal(again.status, "completed");
    counted(again.usage.output_tokens);
  }

  const messages = [{ role: "user", content: "one two three" }];
  const chat = client.chat.completions.stream({
    model: name,
    messages,
    stream_options: { include_usage: true },
  });
  const completion = await chat.finalChatCompletion();
  assert.equal(completion.choices[0].message.content, text);
  counted(completion.usage.completion_tokens);

  const answer = await client.completions.create({ model: name, prompt: "one two three" });
  assert.equal(answer.choices[0].text, text);
  counted(answer.usage.completion_tokens);

  try {
    let last;
    const cut = { ...question, model: `${name}-cut`, stream: true };
    for await (const event of await client.responses.create(cut)) last = event;
    assert.equal(last.type, "response.failed");
    assert.equal(last.response.error.code, "provider_stream_broken");
  } catch (error) {
    // It broke before the stream had begun.
    assert.equal(error.code, "provider_stream_broken", String(error));
  }
  seen.failures += 1;
}

await assert.rejects(client.responses.create({ model: "gpt-9", input: "a" }), OpenAI.NotFoundError);
await assert.rejects(
  client.responses.create({ model: "local-chat", input: "a", previous_response_id: "resp_1" }),
  OpenAI.BadRequestError,
);

console.log(JSON.stringify(seen));
