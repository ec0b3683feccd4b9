import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { apiUrl, request } from '@/lib/http';
import type { AuditChain, AuditEntry, AuditVerification, Page, SystemLog, SystemStatus } from './types';

export interface AuditFilter {
  user_id?: string;
  action?: string;
  resource_type?: string;
  resource_id?: string;
  from?: string;
  to?: string;
  ip_address?: string;
  q?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ['audit', filter],
    queryFn: ({ pageParam, signal }) =>
      request<Page<AuditEntry>>('/audit-logs', { signal, query: { ...filter, cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const auditExportUrl = (filter: AuditFilter, format: 'csv' | 'jsonl'): string =>
  apiUrl('/audit-logs/export', { ...filter, format });

export const auditChainQuery = queryOptions({
  queryKey: ['audit-chain'],
  queryFn: ({ signal }) => request<AuditChain>('/audit-chain', { signal }),
});

export function useVerifyChain() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (anchor?: string) => request<AuditVerification>('/audit-chain/verify', { query: { anchor } }),
    onSuccess: ({ chain }) => client.setQueryData(auditChainQuery.queryKey, chain),
  });
}

export const systemStatusQuery = queryOptions({
  queryKey: ['system', 'status'],
  queryFn: ({ signal }) => request<SystemStatus>('/system/status', { signal }),
  refetchInterval: 5000,
});

export function useRetryJob() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: number) => request(`/system/jobs/${id}/retry`, { method: 'POST' }),
    onSuccess: () => client.invalidateQueries({ queryKey: systemStatusQuery.queryKey }),
  });
}

export interface LogFilter {
  level?: string;
  module?: string;
  node?: string;
  from?: string;
  to?: string;
  q?: string;
}

export const systemLogsQuery = (filter: LogFilter) =>
  infiniteQueryOptions({
    queryKey: ['system', 'logs', filter],
    queryFn: ({ pageParam, signal }) =>
      request<Page<SystemLog>>('/system/logs', { signal, query: { ...filter, cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });
