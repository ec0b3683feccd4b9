import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import type { ApiKey, CreatedApiKey, Me, Page, Session, SetupState, User } from './types';

export const setupQuery = queryOptions({
  queryKey: ['setup'],
  queryFn: ({ signal }) => request<SetupState>('/setup', { signal, refresh: false }),
});

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: ({ signal }) => request<Me>('/me', { signal }),
  staleTime: 5 * 60_000,
});

export interface SetupInput {
  token: string;
  username: string;
  email: string;
  password: string;
  display_name?: string;
}

/** Takes the answer of setting up or signing in as the new identity. */
function useEnter<Input>(path: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: Input) => request<Me>(path, { method: 'POST', body, refresh: false }),
    onSuccess: (me) => {
      client.clear();
      client.setQueryData(meQuery.queryKey, me);
    },
  });
}

export const useSetup = () => useEnter<SetupInput>('/setup');
export const useSignIn = () => useEnter<{ login: string; password: string }>('/auth/sign-in');

export function signOut(): Promise<void> {
  return request('/auth/sign-out', { method: 'POST', refresh: false });
}

export function useUpdateMe() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { display_name?: string; email?: string }) => request<Me>('/me', { method: 'PATCH', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

export function useChangePassword() {
  return useMutation({
    mutationFn: (body: { current: string; new: string }) => request('/me/password', { method: 'POST', body }),
  });
}

export function savePreference(key: string, value: unknown): Promise<void> {
  return request(`/me/preferences/${encodeURIComponent(key)}`, { method: 'PUT', body: { value } });
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
    mutationFn: (body: { name: string; permissions?: string[]; expires_at?: string }) =>
      request<CreatedApiKey>('/api-keys', { method: 'POST', body }),
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

export const usersQuery = infiniteQueryOptions({
  queryKey: ['users'],
  queryFn: ({ pageParam, signal }) => request<Page<User>>('/users', { signal, query: { cursor: pageParam } }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor ?? null,
});

export interface NewUser {
  username: string;
  email: string;
  password: string;
  display_name?: string;
  roles: string[];
}

export function useCreateUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: NewUser) => request<User>('/users', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
}

export function useUpdateUser() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: { id: string; status?: string; roles?: string[]; display_name?: string }) =>
      request<User>(`/users/${id}`, { method: 'PATCH', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: usersQuery.queryKey }),
  });
}
