import { expect, test } from 'vitest';
import type { Message } from '@/api/types';
import { applyEvent, type Live } from './live';

const empty: Live = { content: '', reasoning: '', citations: [], status: 'pending', reconnecting: true };
const event = (name: string, data: unknown) => ({ id: '1', event: name, data: JSON.stringify(data) });

test('text and reasoning grow, and any event ends reconnecting', () => {
  let live = applyEvent(empty, event('reasoning', { text: 'hm' })).live;
  live = applyEvent(live, event('delta', { text: 'Hel' })).live;
  live = applyEvent(live, event('delta', { text: 'lo' })).live;
  expect(live).toMatchObject({ content: 'Hello', reasoning: 'hm', status: 'streaming', reconnecting: false });
});

test('the last event carries the whole message', () => {
  const message = { id: 'm', content: 'Hello' } as Message;
  expect(applyEvent(empty, event('done', { message })).done).toEqual(message);
});

test('an event of a later version changes nothing', () => {
  expect(applyEvent(empty, event('weather', { text: 'rain' })).live.content).toBe('');
});
