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

/** A midnight of the device; whole days are not always 24 hours long. */
const midnight = (now: Date, later: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + later);

/** The last `days` days, whole ones, today included. */
export function daysBack(days: number, now: Date): UsageRange {
  return { from: midnight(now, 1 - days).toISOString(), to: midnight(now, 1).toISOString() };
}

export const NOTHING: Omit<UsageRow, 'key' | 'label'> = {
  calls: 0,
  prompt_tokens: 0,
  completion_tokens: 0,
  cached_tokens: 0,
  reasoning_tokens: 0,
  cost: '0',
  unpriced_calls: 0,
  estimated_calls: 0,
  cancelled_calls: 0,
  errors: 0,
  mean_latency_ms: 0,
};

/** One row per day of the period: a day without a call is a zero, not a gap. */
export function fillDays(items: UsageRow[], days: number, now: Date): UsageRow[] {
  const byDay = new Map(items.map((item) => [item.key.slice(0, 10), item]));
  return Array.from({ length: days }, (_, index) => {
    const day = midnight(now, 1 - days + index);
    const two = (value: number) => String(value).padStart(2, '0');
    const key = `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
    return byDay.get(key) ?? { key, ...NOTHING };
  });
}
