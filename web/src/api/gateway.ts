import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  useMutation,
  useQueryClient,
} from '@tanstack/react-query';
import { request } from '@/lib/http';
import { deviceTimezone } from '@/lib/timezones';
import type {
  AddedModel,
  AvailableProvider,
  CatalogueProvider,
  Distribution,
  KnownModel,
  LogPayloads,
  Model,
  ModelKind,
  ModelPrice,
  OfferedModel,
  Page,
  PriceTier,
  Provider,
  ProviderAudience,
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
  queryFn: ({ signal }) => request<Page<Provider>>('/providers', { signal }),
});

/** The models that the provider itself offers; asks the provider, so only on demand. */
export const offeredModelsQuery = (id: string) =>
  queryOptions({
    queryKey: ['providers', 'offered', id],
    queryFn: ({ signal }) => request<Page<OfferedModel>>(`/providers/${id}/models`, { signal }),
    retry: false,
  });

/** What the program itself knows of a model of the provider, to be suggested; null where it knows nothing. */
export const knownModelQuery = (provider: string, model: string) =>
  queryOptions({
    queryKey: ['providers', 'known', provider, model],
    queryFn: async ({ signal }) => {
      const known = await request<Page<KnownModel>>(`/providers/${provider}/known-models`, { signal, query: { model } });
      return known.items[0] ?? null;
    },
  });

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: ({ signal }) => request<Page<Model>>('/models', { signal }),
});

export interface ProviderInput {
  provider: string;
  name: string;
  scope: ProviderScope;
  base_url?: string;
  api_key?: string;
  config?: Record<string, unknown>;
  audience?: ProviderAudience;
  is_active?: boolean;
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

/** The providers that the caller may use, and by which ways. */
export const availableQuery = queryOptions({
  queryKey: ['providers', 'available'],
  queryFn: ({ signal }) => request<Page<AvailableProvider>>('/providers/available', { signal }),
});

/** To whom a provider has been given. */
export const distributionsQuery = (provider: string) =>
  infiniteQueryOptions({
    queryKey: ['providers', 'distributions', provider],
    queryFn: ({ pageParam, signal }) =>
      request<Page<Distribution>>(`/providers/${provider}/distributions`, { signal, query: { cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

function useDistributionChange<Input>(act: (input: Input) => Promise<unknown>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['providers'] }),
        client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
      ]),
  });
}

export const useDistribute = (provider: string) =>
  useDistributionChange((body: { user_ids: string[]; group_ids: string[] }) =>
    request(`/providers/${provider}/distributions`, { method: 'POST', body }),
  );

export const useSetDistribution = (provider: string) =>
  useDistributionChange(({ id, is_active }: { id: string; is_active: boolean }) =>
    request(`/providers/${provider}/distributions/${id}`, { method: 'PATCH', body: { is_active } }),
  );

export const useWithdraw = (provider: string) =>
  useDistributionChange((id: string) => request(`/providers/${provider}/distributions/${id}`, { method: 'DELETE' }));

export const pricesQuery = (model: string) =>
  infiniteQueryOptions({
    queryKey: ['models', 'prices', model],
    queryFn: ({ pageParam, signal }) =>
      request<Page<ModelPrice>>(`/models/${model}/prices`, { signal, query: { cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export interface PriceInput {
  valid_from?: string;
  input_price?: string;
  output_price?: string;
  cached_input_price?: string;
  cache_write_price?: string;
  reasoning_price?: string;
  embedding_price?: string;
  /** All of them; what they are now stays where absent. */
  tiers?: PriceTier[];
}

export function useAddPrice(model: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: PriceInput) => request(`/models/${model}/prices`, { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
  });
}

export interface ModelInput extends Omit<PriceInput, 'valid_from'> {
  provider_config_id: string;
  name: string;
  model: string;
  kind: ModelKind;
  context_length?: number;
  max_tokens?: number;
  temperature?: number;
  is_default?: boolean;
  is_organization_default?: boolean;
  is_active?: boolean;
  log_payloads?: LogPayloads;
  cache?: boolean;
  cache_seconds?: number;
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

/** Adds several models of a provider, all or none. */
export function useAddModels(provider: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (models: AddedModel[]) =>
      request<Page<Model>>(`/providers/${provider}/models`, { method: 'POST', body: { models } }),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
        // The provider is asked again when its list is opened again, and nobody waits for that now.
        client.invalidateQueries({ queryKey: offeredModelsQuery(provider).queryKey, refetchType: 'none' }),
      ]),
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

/** Which calls count; all of those that the caller may see where nothing is named. */
export interface UsageFilter {
  user_id?: string;
  group_id?: string;
  api_key_id?: string;
  provider_config_id?: string;
  provider?: string;
  model?: string;
  purpose?: string;
  end_user?: string;
}

/** Days are those of the device, as all times that the pages show. */
export const usageSummaryQuery = (range: UsageRange, groupBy: UsageGroup, filter: UsageFilter = {}) =>
  queryOptions({
    queryKey: ['usage', 'summary', range, groupBy, filter],
    queryFn: ({ signal }) =>
      request<UsageSummary>('/usage/summary', {
        signal,
        query: { ...range, ...filter, group_by: groupBy, timezone: deviceTimezone() },
      }),
    placeholderData: keepPreviousData,
  });

export interface CallFilter extends UsageFilter, Partial<UsageRange> {
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
