import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { isStatus, request } from '@/lib/http';
import type { Group, Page, Quota, QuotaInput, RateInput, RateLimit } from './types';

export type QuotaScope = 'users' | 'groups' | 'api-keys';
export type RateScope = 'organization' | QuotaScope | 'models';

const SCOPES: Record<string, RateScope> = { user: 'users', group: 'groups', api_key: 'api-keys', model: 'models' };

/** The scope as addresses have it, of one as answers have it. */
export const scopeOf = (scope: string): RateScope => SCOPES[scope] ?? 'organization';

const paged = {
  initialPageParam: null as string | null,
  getNextPageParam: (page: { next_cursor?: string | null }) => page.next_cursor ?? null,
};

export const quotasQuery = infiniteQueryOptions({
  queryKey: ['quotas'],
  queryFn: ({ pageParam, signal }) => request<Page<Quota>>('/quotas', { signal, query: { cursor: pageParam } }),
  ...paged,
});

export const rateLimitsQuery = infiniteQueryOptions({
  queryKey: ['rate-limits', 'list'],
  queryFn: ({ pageParam, signal }) =>
    request<Page<RateLimit>>('/rate-limits', { signal, query: { cursor: pageParam, limit: 200 } }),
  ...paged,
});

/** What the owner of a key set for it; `null` where nothing is set. */
export const keyRateQuery = (key: string) =>
  queryOptions({
    queryKey: ['rate-limits', 'key', key],
    queryFn: async ({ signal }) => {
      try {
        return await request<RateLimit>(`/api-keys/${key}/rate-limit`, { signal });
      } catch (error) {
        if (isStatus(error, 404)) return null;
        throw error;
      }
    },
  });

/** Sets with a body, takes away without one. */
const put = ({ path, body }: { path: string; body?: QuotaInput | RateInput }) =>
  request(path, body === undefined ? { method: 'DELETE' } : { method: 'PUT', body });

export function useSetQuota() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: { path: string; body?: QuotaInput }) => put(input),
    onSuccess: () => client.invalidateQueries({ queryKey: ['quotas'] }),
  });
}

export function useSetRate() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (input: { path: string; body?: RateInput }) => put(input),
    onSuccess: () => client.invalidateQueries({ queryKey: ['rate-limits'] }),
  });
}

export const quotaPath = (scope: QuotaScope, id: string) => `/quotas/${scope}/${id}`;
export const ratePath = (scope: RateScope, id?: string) =>
  scope === 'organization' ? '/rate-limits/organization' : `/rate-limits/${scope}/${id ?? ''}`;
export const keyRatePath = (key: string) => `/api-keys/${key}/rate-limit`;

/** The groups that the caller is in. */
export const ownGroupsQuery = queryOptions({
  queryKey: ['groups', 'own'],
  queryFn: async ({ signal }) =>
    (await request<Page<Group>>('/me/groups', { signal, query: { limit: 200 } })).items,
});
