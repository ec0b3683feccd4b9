// Asks by messages with the package's own retries: what is in vain once, what is busy again.
import assert from "node:assert/strict";

import Anthropic from "@anthropic-ai/sdk";

// Without a word against it the package sleeps for as long as it is told, up to 24 days.
setTimeout(() => process.exit(1), 60_000).unref();

function ask(who, model) {
  const client = new Anthropic({ baseURL: process.env.ORIGIN, apiKey: who });
  const messages = [{ role: "user", content: "one two three" }];
  return client.messages.create({ model, max_tokens: 100, messages });
}

await assert.rejects(ask("spent", "local-chat"), (error) => {
  assert(error instanceof Anthropic.RateLimitError, error);
  assert.equal(error.error.error.code, "insufficient_quota");
  return true;
});

await assert.rejects(ask("ada", "status-401"), (error) => {
  assert(error instanceof Anthropic.InternalServerError, error);
  assert.equal(error.error.error.code, "provider_unauthorized");
  return true;
});

const answer = await ask("ada", "limited-1");
assert.equal(answer.content[0].text, "You said: one two three");

console.log("{}");
