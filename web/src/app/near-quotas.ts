import type { OwnQuota } from '@/api/types';
import { QUOTA_WARNING, quotaResource, type QuotaResourceName } from '@/components/use-quota-amount';

/** What was put away, and in which month, so that it is told once in each. */
export type PutAway = Record<string, unknown>;

export interface NearQuota {
  key: string;
  month: string;
  quota: OwnQuota;
  resource: OwnQuota['resources'][number];
  name: QuotaResourceName;
  percent: number;
}

/** What is used to four fifths or more, without what was put away this month. */
export function nearQuotas(quotas: OwnQuota[], putAway: PutAway, now: Date): NearQuota[] {
  const all = quotas.flatMap((quota) => quota.resources.map((resource) => ({ quota, resource })));
  return all.flatMap(({ quota, resource }) => {
    const name = quotaResource(resource.resource);
    const limit = Number(resource.limit ?? 0);
    // A limit of nothing is a ban, not something that runs out.
    if (name === undefined || limit === 0) return [];
    const percent = Math.floor((Number(resource.used) / limit) * 100);
    const key = `${quota.id}/${name}`;
    // Storage does not start anew, so its month is the calendar's.
    const month = resource.resets_at ?? now.toISOString().slice(0, 7);
    return percent < QUOTA_WARNING || putAway[key] === month ? [] : [{ key, month, quota, resource, name, percent }];
  });
}
