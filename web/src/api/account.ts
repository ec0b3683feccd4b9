import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import { createPasskey, type CreationOptionsJson } from '@/lib/webauthn';
import { meQuery, sessionsQuery } from './identity';
import type {
  DataExport,
  NewPasskey,
  OidcAccount,
  OwnQuota,
  Page,
  Passkey,
  RecoveryCodes,
  SecondFactors,
  TotpSecret,
} from './types';

/** The own account: picture, second factors, passkeys, linked accounts, quotas, data. */

const act = <T>(path: string, body?: unknown) => request<T>(path, { method: 'POST', body });

export function useAvatar() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (file: File | null) => request('/me/avatar', file ? { method: 'PUT', body: file } : { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  });
}

export function useRequestVerification() {
  return useMutation({ mutationFn: () => act('/me/email-verification') });
}

export function useRevokeOtherSessions() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => request('/me/sessions', { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: sessionsQuery.queryKey }),
  });
}

/** A proof that it is still the same person: the password or a code. */
export interface Proof {
  password?: string;
  code?: string;
}

export const confirmIdentity = (proof: Proof) => act<undefined>('/me/confirm', proof);

export const secondFactorsQuery = queryOptions({
  queryKey: ['second-factors'],
  queryFn: ({ signal }) => request<SecondFactors>('/me/second-factors', { signal }),
});

export const passkeysQuery = queryOptions({
  queryKey: ['passkeys'],
  queryFn: ({ signal }) => request<{ items: Passkey[] }>('/me/passkeys', { signal }),
});

/** Runs an act after which second factors and sessions are other ones. */
function useFactorChange<Input, Output>(work: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: work,
    // Not waited for: what asked may be gone once the lists are new, and has something to show.
    onSuccess: () => {
      for (const { queryKey } of [secondFactorsQuery, passkeysQuery, sessionsQuery]) {
        void client.invalidateQueries({ queryKey });
      }
    },
  });
}

export const beginTotp = () => act<TotpSecret>('/me/totp');
export const useConfirmTotp = () => useFactorChange((code: string) => act<RecoveryCodes>('/me/totp/confirm', { code }));
export const useDisableTotp = () => useFactorChange((proof: Proof) => act('/me/totp/disable', proof));
export const renewRecoveryCodes = () => act<RecoveryCodes>('/me/recovery-codes');

export async function registerPasskey(name: string): Promise<NewPasskey> {
  const options = await act<CreationOptionsJson>('/me/passkeys/options');
  return act<NewPasskey>('/me/passkeys', { name, credential: await createPasskey(options) });
}

export const useFactorAct = <Output>() => useFactorChange((work: () => Promise<Output>) => work());

export const deletePasskey = (id: string) => request(`/me/passkeys/${id}`, { method: 'DELETE' });

export function useRenamePasskey() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) =>
      request(`/me/passkeys/${id}`, { method: 'PATCH', body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: passkeysQuery.queryKey }),
  });
}

export const linkedAccountsQuery = queryOptions({
  queryKey: ['oidc-accounts'],
  queryFn: ({ signal }) => request<{ items: OidcAccount[] }>('/me/oidc-accounts', { signal }),
});

export const startLink = (providerId: string, returnTo: string) =>
  act<{ redirect_to: string }>('/me/oidc-accounts', { provider_id: providerId, return_to: returnTo });

export function useUnlink() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/me/oidc-accounts/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: linkedAccountsQuery.queryKey }),
  });
}

export const ownQuotasQuery = queryOptions({
  queryKey: ['quotas', 'me'],
  queryFn: ({ signal }) => request<{ items: OwnQuota[] }>('/quotas/me', { signal }),
});

const unfinished = (item: DataExport) => item.status === 'pending' || item.status === 'running';

export const exportsQuery = infiniteQueryOptions({
  queryKey: ['data-exports'],
  queryFn: ({ pageParam, signal }) => request<Page<DataExport>>('/me/exports', { signal, query: { cursor: pageParam } }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor ?? null,
  refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.items.some(unfinished)) ? 1500 : false),
});

export function useStartExport() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => act<DataExport>('/me/exports'),
    onSuccess: () => client.invalidateQueries({ queryKey: exportsQuery.queryKey }),
  });
}

/** Asks once for the session's sake, which a plain link can't renew; answers the address. */
export async function exportAddress(id: string): Promise<string> {
  await request(`/me/exports/${id}`);
  return `/api/v1/me/exports/${id}/file`;
}

export function useDeleteAccount() {
  return useMutation({ mutationFn: (password: string) => act('/me/deletion', { password }) });
}
