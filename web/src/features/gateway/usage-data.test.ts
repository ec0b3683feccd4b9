import { expect, test } from 'vitest';
import { daysBack, fillDays, NOTHING } from './usage-data';

const now = new Date(2026, 4, 20, 23, 30);

test('a period is whole days, today included', () => {
  expect(daysBack(7, now)).toEqual({
    from: new Date(2026, 4, 14).toISOString(),
    to: new Date(2026, 4, 21).toISOString(),
  });
});

test('days without a call are zeros', () => {
  const rows = fillDays([{ ...NOTHING, key: '2026-05-19', calls: 2 }], 3, now);
  expect(rows.map((row) => [row.key, row.calls])).toEqual([
    ['2026-05-18', 0],
    ['2026-05-19', 2],
    ['2026-05-20', 0],
  ]);
});
