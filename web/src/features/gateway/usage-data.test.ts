import { expect, test } from 'vitest';
import { daysBack, fillDays } from './usage-data';

const now = new Date('2026-05-20T23:30:00Z');

test('a period is whole days, today included', () => {
  expect(daysBack(7, now)).toEqual({ from: '2026-05-14T00:00:00.000Z', to: '2026-05-21T00:00:00.000Z' });
});

test('days without a call are zeros', () => {
  const figures = { calls: 2, prompt_tokens: 5, completion_tokens: 1, cost: '0.1', unpriced_calls: 0, errors: 0 };
  const rows = fillDays([{ key: '2026-05-19', ...figures }], 3, now);
  expect(rows.map((row) => [row.key, row.calls])).toEqual([
    ['2026-05-18', 0],
    ['2026-05-19', 2],
    ['2026-05-20', 0],
  ]);
});
