import { expect, test } from 'vitest';
import { redisMood, redisState } from './redis-state';

test('knows the form of Redis, and no other', () => {
  const away = { address: 'redis:6379', health: null, reason: 'gone' };
  const up = { ...away, health: { version: 'redis 7.0.15', latency_ms: 0.2 }, reason: null };
  expect(redisState(away)).toBe(away);
  expect(redisState(up)).toBe(up);
  expect(redisState({ ...up, health: 'fine' })).toBeUndefined();
  expect(redisState({ health: null })).toBeUndefined();
  expect(redisState(null)).toBeUndefined();
});

test('a command that was refused is told while it answers', () => {
  const health = { version: 'redis 7.0.15', latency_ms: 0.2 };
  const refused = { reason: 'NOPERM', seconds_ago: 7 };
  const up = { address: 'redis:6379', health, reason: null };
  expect(redisMood(up)).toBe('answers');
  expect(redisMood({ ...up, refused: null })).toBe('answers');
  expect(redisMood({ ...up, refused })).toBe('refuses');
  expect(redisMood({ ...up, health: null, refused })).toBe('away');
});
