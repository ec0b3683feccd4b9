import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { apiUrl, request } from '@/lib/http';
import { modelsQuery, type CallFilter } from './gateway';
import type {
  CallPayload,
  ModelRoute,
  ModelRouteScope,
  Page,
  Reconciliation,
  RouteSettings,
  RouteTargetInput,
  TargetHealth,
} from './types';

export const routesQuery = infiniteQueryOptions({
  queryKey: ['routes', 'list'],
  queryFn: ({ pageParam, signal }) =>
    request<Page<ModelRoute>>('/model-routes', { signal, query: { cursor: pageParam } }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor ?? null,
});

/** How the targets of a route are doing; asked again while somebody looks. */
export const routeHealthQuery = (id: string) =>
  queryOptions({
    queryKey: ['routes', 'health', id],
    queryFn: ({ signal }) => request<{ items: TargetHealth[] }>(`/model-routes/${id}/health`, { signal }),
    refetchInterval: 10_000,
  });

export interface RouteInput {
  name: string;
  description: string;
  scope: ModelRouteScope;
  targets: RouteTargetInput[];
  settings: RouteSettings;
  is_active: boolean;
}

/** A route stands among the models, so their list changes with it. */
function useRouteChange<Input>(act: (input: Input) => Promise<unknown>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['routes'] }),
        client.invalidateQueries({ queryKey: modelsQuery.queryKey }),
      ]),
  });
}

export const useSaveRoute = () =>
  useRouteChange(({ id, ...body }: Partial<RouteInput> & { id?: string }) =>
    id
      ? request<ModelRoute>(`/model-routes/${id}`, { method: 'PATCH', body })
      : request<ModelRoute>('/model-routes', { method: 'POST', body }),
  );

export const useDeleteRoute = () =>
  useRouteChange((id: string) => request(`/model-routes/${id}`, { method: 'DELETE' }));

export const usageExportUrl = (filter: CallFilter, format: 'csv' | 'jsonl'): string =>
  apiUrl('/usage/export', { ...filter, format });

/** What a call left; each reading is noted in the audit log, so it is asked for once and on demand. */
export const payloadQuery = (call: string) =>
  queryOptions({
    queryKey: ['usage', 'payload', call],
    queryFn: ({ signal }) => request<CallPayload>(`/usage/calls/${call}/payload`, { signal }),
    retry: false,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });

export interface ReconcileOptions {
  provider?: string;
  timezone?: string;
  /** Names of columns, as `ours=theirs` with semicolons between. */
  map?: string;
  tolerance_tokens?: number;
  tolerance_cost?: string;
  tolerance_percent?: string;
  undated?: boolean;
}

export const useReconcile = () =>
  useMutation({
    mutationFn: ({ file, ...options }: ReconcileOptions & { file: File }) =>
      request<Reconciliation>('/usage/reconcile', { method: 'POST', body: file, query: { ...options } }),
  });
