import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import type { CreatedScimToken, ScimToken, ScimTokens } from './types';

export const scimTokensQuery = queryOptions({
  queryKey: ['scim-tokens'],
  queryFn: ({ signal }) => request<ScimTokens>('/scim-tokens', { signal }),
});

function useTokenChange<Input, Answer>(act: (input: Input) => Promise<Answer>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => client.invalidateQueries({ queryKey: scimTokensQuery.queryKey }),
  });
}

export const useCreateScimToken = () =>
  useTokenChange((body: { name: string; oidc_provider_id?: string | null; expires_at?: string }) =>
    request<CreatedScimToken>('/scim-tokens', { method: 'POST', body }),
  );

export const useUpdateScimToken = () =>
  useTokenChange(({ id, ...body }: { id: string; name: string; oidc_provider_id?: string | null }) =>
    request<ScimToken>(`/scim-tokens/${id}`, { method: 'PATCH', body }),
  );

export const useRotateScimToken = () =>
  useTokenChange(({ id, overlap_seconds }: { id: string; overlap_seconds: number }) =>
    request<CreatedScimToken>(`/scim-tokens/${id}/rotate`, { method: 'POST', body: { overlap_seconds } }),
  );

export const useRevokeScimToken = () =>
  useTokenChange((id: string) => request(`/scim-tokens/${id}`, { method: 'DELETE' }));
