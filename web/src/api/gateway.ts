import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  useMutation,
  useQueryClient,
} from '@tanstack/react-query';
import { request } from '@/lib/http';
import type {
  CatalogueProvider,
  Model,
  ModelKind,
  Page,
  Provider,
  ProviderScope,
  ProviderTest,
  UsageCall,
  UsageGroup,
  UsageSummary,
} from './types';

export const catalogueQuery = queryOptions({
  queryKey: ['providers', 'catalogue'],
  queryFn: ({ signal }) => request<Page<CatalogueProvider>>('/providers/catalogue', { signal }),
  staleTime: Infinity,
});

export const providersQuery = queryOptions({
  queryKey: ['providers', 'list'],
  queryFn: ({ signal }) => request<Page<Provider>>('/providers', { signal, query: { limit: 200 } }),
});

/** The models that the provider itself offers; asks the provider, so only on demand. */
export const offeredModelsQuery = (id: string) =>
  queryOptions({
    queryKey: ['providers', 'offered', id],
    queryFn: ({ signal }) => request<Page<{ id: string }>>(`/providers/${id}/models`, { signal }),
    retry: false,
  });

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: ({ signal }) => request<Page<Model>>('/models', { signal, query: { limit: 200 } }),
});

export interface ProviderInput {
  provider: string;
  name: string;
  scope: ProviderScope;
  base_url?: string;
  api_key?: string;
  config?: Record<string, unknown>;
}

function useRefreshProviders() {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ['providers', 'list'] }),
      client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
    ]);
}

export function useSaveProvider() {
  const refresh = useRefreshProviders();
  return useMutation({
    mutationFn: ({ id, ...body }: Partial<ProviderInput> & { id?: string }) =>
      id
        ? request<Provider>(`/providers/${id}`, { method: 'PATCH', body })
        : request<Provider>('/providers', { method: 'POST', body }),
    onSuccess: refresh,
  });
}

export function useDeleteProvider() {
  const refresh = useRefreshProviders();
  return useMutation({
    mutationFn: (id: string) => request(`/providers/${id}`, { method: 'DELETE' }),
    onSuccess: refresh,
  });
}

export function useTestProvider() {
  return useMutation({
    mutationFn: (id: string) => request<ProviderTest>(`/providers/${id}/test`, { method: 'POST' }),
  });
}

export interface ModelInput {
  provider_config_id: string;
  name: string;
  model: string;
  kind: ModelKind;
  max_tokens?: number;
  temperature?: number;
  is_default?: boolean;
}

export function useSaveModel() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: Partial<ModelInput> & { id?: string }) =>
      id
        ? request<Model>(`/models/${id}`, { method: 'PATCH', body })
        : request<Model>('/models', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
  });
}

export function useDeleteModel() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/models/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
  });
}

export interface UsageRange {
  from: string;
  to: string;
}

export const usageSummaryQuery = (range: UsageRange, groupBy: UsageGroup) =>
  queryOptions({
    queryKey: ['usage', 'summary', range, groupBy],
    queryFn: ({ signal }) =>
      request<UsageSummary>('/usage/summary', { signal, query: { ...range, group_by: groupBy } }),
    placeholderData: keepPreviousData,
  });

export interface CallFilter extends Partial<UsageRange> {
  model?: string;
  purpose?: string;
  status?: string;
}

export const usageCallsQuery = (filter: CallFilter) =>
  infiniteQueryOptions({
    queryKey: ['usage', 'calls', filter],
    queryFn: ({ pageParam, signal }) =>
      request<Page<UsageCall>>('/usage/calls', { signal, query: { ...filter, cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const usageCallQuery = (id: string) =>
  queryOptions({
    queryKey: ['usage', 'call', id],
    queryFn: ({ signal }) => request<UsageCall>(`/usage/calls/${id}`, { signal }),
  });
