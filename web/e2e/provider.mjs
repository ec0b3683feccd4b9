import { createServer } from 'node:http';

/** A stand-in for an external OpenAI-compatible provider: says the same of everything. */
export async function startProvider() {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => answer(request, response, body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${server.address().port}/v1`,
    stop: () => new Promise((resolve) => server.close(resolve)),
  };
}

export const PROVIDER_MODEL = 'echo-1';
export const PROVIDER_ANSWER = 'The external provider says hello.';

function answer(request, response, body) {
  const json = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  if (request.headers.authorization !== 'Bearer sk-end-to-end') {
    return json(401, { error: { message: 'Wrong key', type: 'invalid_request_error', code: 'invalid_api_key' } });
  }
  if (request.url.endsWith('/models')) {
    return json(200, { object: 'list', data: [{ id: PROVIDER_MODEL, object: 'model', owned_by: 'test' }] });
  }
  const { stream } = JSON.parse(body || '{}');
  const base = { id: 'chatcmpl-1', created: 1, model: PROVIDER_MODEL };
  const usage = { prompt_tokens: 12, completion_tokens: 6, total_tokens: 18 };
  if (!stream) {
    const choice = { index: 0, message: { role: 'assistant', content: PROVIDER_ANSWER }, finish_reason: 'stop' };
    return json(200, { ...base, object: 'chat.completion', choices: [choice], usage });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (value) => response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...value })}\n\n`);
  for (const word of PROVIDER_ANSWER.split(/(?<= )/)) {
    chunk({ choices: [{ index: 0, delta: { content: word }, finish_reason: null }] });
  }
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  chunk({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}
