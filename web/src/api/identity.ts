import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import { endSession, queryClient } from './query-client';
import type { ApiKey, CreatedApiKey, Me, Page, Session, SetupState } from './types';

export const setupQuery = queryOptions({
  queryKey: ['setup'],
  queryFn: ({ signal }) => request<SetupState>('/setup', { signal, refresh: false }),
});

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => request<Me>('/me', { signal }),
  staleTime: 5 * 60_000,
});

/** All that a session may do which lacks the second factor that it must have. */
const ENROLMENT_RIGHTS = ['profile:read', 'profile:second_factor', 'session:read', 'session:delete'];

export const mustEnrol = ({ permissions }: Me): boolean =>
  permissions.includes('profile:second_factor') && permissions.every((right) => ENROLMENT_RIGHTS.includes(right));

export interface SetupInput {
  token: string;
  username: string;
  email: string;
  password: string;
  display_name?: string;
}

/** Takes the answer of setting up or signing in as the new identity. */
export function useEnter<Input>(path: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Input) => request<Me>(path, { method: 'POST', body, refresh: false }),
    onSuccess: (me) => {
      endSession();
      client.setQueryData(meQuery.queryKey, me);
    },
  });
}

export const useSetup = () => useEnter<SetupInput>('/setup');

/** May answer where to sign out at the issuer, too. */
export function signOut(): Promise<{ redirect_to: string } | undefined> {
  return request('/auth/sign-out', { method: 'POST', refresh: false });
}

export interface UpdateMe {
  display_name?: string;
  first_name?: string;
  last_name?: string;
  organization?: string;
  department?: string;
  position?: string;
  email?: string;
  timezone?: string;
}

export function useUpdateMe() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: UpdateMe) => request<Me>('/me', { method: 'PATCH', body }),
    onSuccess: (me) => client.setQueryData(meQuery.queryKey, me),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: (body: { current?: string; new: string }) => request('/me/password', { method: 'POST', body }),
  });
}

/**
 * Keeps a preference with the account. It is known at once, for every navigation applies what is known; where
 * the server refuses it, what the server has is asked for again.
 */
export async function savePreference(key: string, value: unknown): Promise<void> {
  await queryClient.cancelQueries({ queryKey: meQuery.queryKey });
  queryClient.setQueryData(meQuery.queryKey, (old) => old && { ...old, preferences: { ...old.preferences, [key]: value } });
  try {
    await request(`/me/preferences/${encodeURIComponent(key)}`, { method: 'PUT', body: { value } });
  } catch (error) {
    void queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
    throw error;
  }
}

export const sessionsQuery = queryOptions({
  queryKey: ['sessions'],
  queryFn: ({ signal }) => request<Page<Session>>('/me/sessions', { signal }),
});

export function useRevokeSession() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/me/sessions/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  });
}

export const apiKeysQuery = infiniteQueryOptions({
  queryKey: ['api-keys'],
  queryFn: ({ pageParam, signal }) => request<Page<ApiKey>>('/api-keys', { signal, query: { cursor: pageParam } }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor ?? null,
});

export function useCreateApiKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: {
      name: string;
      permissions?: string[];
      expires_at?: string;
      allowed_addresses?: string[];
      models?: string[] | null;
    }) => request<CreatedApiKey>('/api-keys', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: apiKeysQuery.queryKey }),
  });
}

export function useRevokeApiKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/api-keys/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: apiKeysQuery.queryKey }),
  });
}

export function useUpdateApiKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({
      id,
      ...body
    }: {
      id: string;
      name?: string;
      allowed_addresses?: string[];
      models?: string[] | null;
      status?: string;
    }) => request<ApiKey>(`/api-keys/${id}`, { method: 'PATCH', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: apiKeysQuery.queryKey }),
  });
}

export function useRotateApiKey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, overlap_seconds }: { id: string; overlap_seconds: number }) =>
      request<CreatedApiKey>(`/api-keys/${id}/rotate`, { method: 'POST', body: { overlap_seconds } }),
    onSuccess: () => client.invalidateQueries({ queryKey: apiKeysQuery.queryKey }),
  });
}
