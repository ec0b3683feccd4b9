import { expect, test } from 'vitest';
import { fromSettings, toSettings, toTargets } from './route-values';

test('times are seconds to people and milliseconds to the server', () => {
  const settings = { retries: 2, backoff_ms: 250, first_token_timeout_ms: 4000, answer_timeout_ms: null };
  expect(fromSettings(settings)).toEqual({ retries: 2, backoff_ms: 0.25, first_token_timeout_ms: 4 });
  expect(toSettings(fromSettings(settings))).toEqual({ retries: 2, backoff_ms: 250, first_token_timeout_ms: 4000 });
});

test('a time limit that was emptied is none', () => {
  expect(toSettings({ first_token_timeout_ms: null, retries: 0 })).toEqual({ retries: 0 });
});

test('rows without a model are no targets, and what is unknown is not sent', () => {
  expect(toTargets([undefined, { priority: 2 }, { model_config_id: 'a', priority: 3, tools: false, images: null }])).toEqual([
    { model_config_id: 'a', priority: 3, weight: 1, tools: false },
  ]);
});
