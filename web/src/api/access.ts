import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request, type Query } from '@/lib/http';
import type { AccessExplanation, OidcProvider, Role } from './types';

export const rolesQuery = queryOptions({
  queryKey: ['roles', 'list'],
  queryFn: ({ signal }) => request<{ items: Role[] }>('/roles', { signal }),
});

export const rightsQuery = queryOptions({
  queryKey: ['roles', 'rights'],
  queryFn: ({ signal }) => request<{ items: string[] }>('/rights', { signal }),
  staleTime: Infinity,
});

export interface RoleInput {
  name: string;
  description?: string;
  permissions: string[];
}

export function useSaveRole() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: RoleInput & { id?: string }) =>
      id
        ? request<Role>(`/roles/${id}`, { method: 'PATCH', body })
        : request<Role>('/roles', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['roles'] }),
  });
}

export function useDeleteRole() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/roles/${id}`, { method: 'DELETE' }),
    onSuccess: () =>
      Promise.all(['roles', 'users'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

export const issuersQuery = queryOptions({
  queryKey: ['oidc-providers'],
  queryFn: ({ signal }) => request<{ items: OidcProvider[] }>('/oidc-providers', { signal }),
});

export interface IssuerInput {
  name: string;
  issuer?: string;
  client_id: string;
  client_secret?: string;
  scopes: string;
  groups_claim: string;
  roles: Record<string, string>;
  groups: Record<string, string>;
  allow_sign_up: boolean;
  trust_second_factor: boolean;
  is_active: boolean;
}

export function useSaveIssuer() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: IssuerInput & { id?: string }) =>
      id
        ? request<OidcProvider>(`/oidc-providers/${id}`, { method: 'PATCH', body })
        : request<OidcProvider>('/oidc-providers', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: issuersQuery.queryKey }),
  });
}

export function useDeleteIssuer() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/oidc-providers/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: issuersQuery.queryKey }),
  });
}

export interface AccessQuestion {
  user: string;
  action: string;
  object_type?: string;
  object_id?: string;
}

/** The question as an address of the page holds it. */
export type AccessSearch = Partial<AccessQuestion>;

export const explainQuery = (question: AccessQuestion) =>
  queryOptions({
    queryKey: ['access', question],
    queryFn: ({ signal }) =>
      request<AccessExplanation>('/access/explain', { signal, query: { ...question } satisfies Query }),
    // The answer is about this moment.
    gcTime: 0,
    retry: false,
  });

export interface EntryRules {
  'registration.mode'?: 'closed' | 'invitation' | 'open';
  'registration.email_domains'?: string[];
  'identity.require_second_factor'?: 'none' | 'administrators' | 'everyone';
}

/** The settings of the platform about who gets in and how. */
export const entryRulesQuery = queryOptions({
  queryKey: ['entry-rules'],
  queryFn: async ({ signal }): Promise<EntryRules> => {
    const { items } = await request<{ items: { key: string; value?: unknown }[] }>('/system/configs', { signal });
    return Object.fromEntries(items.map(({ key, value }) => [key, value]));
  },
});

export function useSetEntryRule() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ key, value }: { key: keyof EntryRules; value: unknown }) =>
      request(`/system/configs/${key}`, { method: 'PUT', body: { value } }),
    onSuccess: () =>
      Promise.all([['entry-rules'], ['system']].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}
