import { afterEach, expect, test, vi } from 'vitest';
import { EventParser, readEvents } from './sse';

afterEach(() => vi.unstubAllGlobals());

test('parses events split at any byte, with CRLF, comments and several data lines', () => {
  const stream = ': hello\r\nid: 1\r\nevent: delta\r\ndata: {"text":"a"}\r\n\r\nid: 2\ndata: x\ndata: y\n\n';
  const parser = new EventParser();
  const events = Array.from(stream, (character) => parser.push(character)).flat();
  expect(events).toEqual([
    { id: '1', event: 'delta', data: '{"text":"a"}' },
    { id: '2', event: 'message', data: 'x\ny' },
  ]);
});

test('an event without its empty line is not handed out', () => {
  expect(new EventParser().push('data: half')).toEqual([]);
});

function stream(text: string): Response {
  return new Response(text, { headers: { 'Content-Type': 'text/event-stream' } });
}

test('resumes a broken stream after the last event seen', async () => {
  const calls: (string | null)[] = [];
  const answers = [stream('id: 7\nevent: delta\ndata: {}\n\n'), stream('id: 8\nevent: done\ndata: {}\n\n')];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    calls.push(new Headers(init.headers).get('Last-Event-ID'));
    return Promise.resolve(answers.shift());
  });
  const seen: string[] = [];
  await readEvents({
    path: '/messages/1/events',
    signal: new AbortController().signal,
    isDone: () => seen.includes('done'),
    onEvent: (event) => seen.push(event.event),
  });
  expect(calls).toEqual([null, '7']);
  expect(seen).toEqual(['delta', 'done']);
});

test('a refusal is not tried again', async () => {
  const fetch = vi.fn(() => Promise.resolve(new Response('{"code":"not_found","detail":"no"}', { status: 404 })));
  vi.stubGlobal('fetch', fetch);
  const reading = readEvents({
    path: '/messages/1/events',
    signal: new AbortController().signal,
    isDone: () => false,
    onEvent: () => undefined,
  });
  await expect(reading).rejects.toMatchObject({ code: 'not_found' });
  expect(fetch).toHaveBeenCalledTimes(1);
});
