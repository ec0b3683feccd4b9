// Asks by chat completions with the package's own retries: what is in vain once, what is busy again.
import assert from "node:assert/strict";

import OpenAI from "openai";

// Without a word against it the package sleeps for as long as it is told.
setTimeout(() => process.exit(1), 60_000).unref();

function ask(who, model) {
  const client = new OpenAI({ baseURL: `${process.env.ORIGIN}/v1`, apiKey: who });
  const messages = [{ role: "user", content: "one two three" }];
  return client.chat.completions.create({ model, messages });
}

await assert.rejects(ask("spent", "local-chat"), (error) => {
  assert(error instanceof OpenAI.RateLimitError, error);
  assert.equal(error.code, "insufficient_quota");
  return true;
});

await assert.rejects(ask("ada", "status-401"), (error) => {
  assert(error instanceof OpenAI.InternalServerError, error);
  assert.equal(error.code, "provider_unauthorized");
  return true;
});

const answer = await ask("ada", "limited-1");
assert.equal(answer.choices[0].message.content, "You said: one two three");

console.log("{}");
