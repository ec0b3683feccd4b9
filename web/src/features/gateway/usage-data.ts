import type { UsageRange } from '@/api/gateway';
import type { UsageRow } from '@/api/types';

export type Metric = 'tokens' | 'calls' | 'cost';

const PURPOSES = ['chat', 'title', 'embedding', 'retrieval', 'api', 'test'] as const;

export function purposeKey(value: string): (typeof PURPOSES)[number] | undefined {
  return PURPOSES.find((purpose) => purpose === value);
}

export const STATUSES = ['completed', 'failed', 'cancelled'] as const;

export function statusKey(value: string): (typeof STATUSES)[number] | undefined {
  return STATUSES.find((status) => status === value);
}

const DAY = 86_400_000;

/** The last `days` days up to now, whole from the first midnight (UTC, as the ledger counts days). */
export function daysBack(days: number, now: Date): UsageRange {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  return {
    from: new Date(today - (days - 1) * DAY).toISOString(),
    to: new Date(today + DAY).toISOString(),
  };
}

const EMPTY = { calls: 0, prompt_tokens: 0, completion_tokens: 0, cost: '0', unpriced_calls: 0, errors: 0 };

/** One row per day of the period: a day without a call is a zero, not a gap. */
export function fillDays(items: UsageRow[], days: number, now: Date): UsageRow[] {
  const byDay = new Map(items.map((item) => [item.key.slice(0, 10), item]));
  const first = new Date(daysBack(days, now).from).getTime();
  return Array.from({ length: days }, (_, index) => {
    const key = new Date(first + index * DAY).toISOString().slice(0, 10);
    return byDay.get(key) ?? { key, ...EMPTY };
  });
}
