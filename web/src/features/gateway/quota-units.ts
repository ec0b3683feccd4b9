import type { QuotaInput, QuotaResource } from '@/api/types';

const GIGABYTE = 1e9;
const HOUR = 3600;

/** A quota in the units that people think in. */
export interface Amounts {
  max_api_calls?: number | null;
  max_tokens?: number | null;
  max_cost?: number | null;
  gigabytes?: number | null;
  hours?: number | null;
}

const given = (value: number | null | undefined): value is number => value !== null && value !== undefined;

export function toAmounts(resources: QuotaResource[]): Amounts {
  const limit = (name: string) => {
    const text = resources.find(({ resource }) => resource === name)?.limit;
    return text === null || text === undefined ? undefined : Number(text);
  };
  const share = (name: string, unit: number) => {
    const amount = limit(name);
    return amount === undefined ? undefined : amount / unit;
  };
  return {
    max_api_calls: limit('api_calls'),
    max_tokens: limit('tokens'),
    max_cost: limit('cost'),
    gigabytes: share('storage_bytes', GIGABYTE),
    hours: share('compute_seconds', HOUR),
  };
}

export function fromAmounts({ max_api_calls, max_tokens, max_cost, gigabytes, hours }: Amounts): QuotaInput {
  return {
    ...(given(max_api_calls) ? { max_api_calls } : {}),
    ...(given(max_tokens) ? { max_tokens } : {}),
    ...(given(max_cost) ? { max_cost: String(max_cost) } : {}),
    ...(given(gigabytes) ? { max_storage_bytes: Math.round(gigabytes * GIGABYTE) } : {}),
    ...(given(hours) ? { max_compute_seconds: Math.round(hours * HOUR) } : {}),
  };
}
