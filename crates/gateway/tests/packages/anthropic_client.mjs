// Asks models of every provider by messages; prints what it saw as JSON.
import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({
  baseURL: process.env.ORIGIN,
  apiKey: "ada",
  maxRetries: 0,
  timeout: 30_000,
});
const seen = { calls: 0, completion_tokens: 0, failures: 0 };
const text = "You said: one two three";
const tools = [
  {
    name: "look_up",
    input_schema: { type: "object", properties: { word: { type: "string" } } },
  },
];
const messages = [{ role: "user", content: "one two three" }];

function counted(tokens) {
  seen.calls += 1;
  seen.completion_tokens += tokens;
}

function checkMessage(message) {
  const said = message.content.filter((block) => block.type === "text").map((block) => block.text);
  assert.deepEqual([said.join(""), message.stop_reason], [text, "end_turn"]);
  const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
  assert.deepEqual([input_tokens + cache_read_input_tokens, output_tokens], [3, 8]);
  assert(message.content.some((block) => block.type === "thinking" && block.signature));
  counted(output_tokens);
}

for (const { name, calls_tools } of JSON.parse(process.env.MODELS)) {
  const question = { model: name, max_tokens: 100, messages };
  checkMessage(await client.messages.create(question));
  let deltas = "";
  const stream = client.messages.stream(question).on("text", (delta) => (deltas += delta));
  checkMessage(await stream.finalMessage());
  assert.equal(deltas, text);

  if (calls_tools) {
    const asked = client.messages.stream({ ...question, model: `${name}-tools`, tools });
    const message = await asked.finalMessage();
    const call = message.content.find((block) => block.type === "tool_use");
    assert.deepEqual([call.name, call.input], ["look_up", { word: "汉" }]);
    assert.equal(message.stop_reason, "tool_use");
    counted(message.usage.output_tokens);
    const result = { type: "tool_result", tool_use_id: call.id, content: "found" };
    const turns = [
      ...messages,
      { role: "assistant", content: message.content },
      { role: "user", content: [result] },
    ];
    const again = await client.messages.create({ ...question, messages: turns, tools });
    assert.equal(again.stop_reason, "end_turn");
    counted(again.usage.output_tokens);
  }

  await assert.rejects(
    client.messages.stream({ ...question, model: `${name}-cut` }).finalMessage(),
    (error) => error.error.error.code === "provider_stream_broken",
  );
  seen.failures += 1;
}

const names = [];
for await (const model of client.models.list({ limit: 3 })) names.push(model.id);
assert(names.includes("anthropic-2") && names.includes("local-chat"), String(names));
await assert.rejects(
  client.messages.create({ model: "claude-9", max_tokens: 10, messages }),
  Anthropic.NotFoundError,
);

console.log(JSON.stringify(seen));
