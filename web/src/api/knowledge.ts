import { infiniteQueryOptions, queryOptions, useMutation, useQueries, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import { upload } from '@/lib/upload';
import type {
  DocumentText,
  KnowledgeBase,
  KnowledgeBaseGrant,
  KnowledgeDocument,
  Page,
  RetrievedChunk,
  SearchAnswer,
} from './types';

export const knowledgeBasesQuery = infiniteQueryOptions({
  queryKey: ['knowledge-bases', 'list'],
  queryFn: ({ pageParam, signal }) =>
    request<Page<KnowledgeBase>>('/knowledge-bases', { signal, query: { cursor: pageParam, limit: 100 } }),
  initialPageParam: null as string | null,
  getNextPageParam: (page) => page.next_cursor ?? null,
});

export const knowledgeBaseQuery = (id: string) =>
  queryOptions({
    queryKey: ['knowledge-bases', 'one', id],
    queryFn: ({ signal }) => request<KnowledgeBase>(`/knowledge-bases/${id}`, { signal }),
  });

/** A base in which one may look for answers: not what is gone, nor what one may only view. */
const askable = (base: KnowledgeBase | undefined) => (base && base.level !== 'view' ? [base] : []);

/** Those of these bases in which one may look for answers, as far as they are known. */
export function useAskableBases(ids: readonly string[]) {
  return useQueries({
    queries: ids.map((id) => knowledgeBaseQuery(id)),
    combine: (results) => ({
      bases: results.flatMap(({ data }) => askable(data)),
      pending: results.some(({ isPending }) => isPending),
    }),
  });
}

/** The same, once all are known. */
export async function findAskableBases(client: QueryClient, ids: readonly string[]): Promise<KnowledgeBase[]> {
  const found = await Promise.allSettled(ids.map((id) => client.query({ ...knowledgeBaseQuery(id), staleTime: 'static' })));
  return found.flatMap((result) => (result.status === 'fulfilled' ? askable(result.value) : []));
}

export interface KnowledgeBaseInput {
  name: string;
  description?: string;
  embedding_model?: string;
  chunk_size?: number;
  chunk_overlap?: number;
}

export function useSaveKnowledgeBase() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: Partial<KnowledgeBaseInput> & { id?: string }) =>
      id
        ? request<KnowledgeBase>(`/knowledge-bases/${id}`, { method: 'PATCH', body })
        : request<KnowledgeBase>('/knowledge-bases', { method: 'POST', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['knowledge-bases'] }),
  });
}

export function useDeleteKnowledgeBase() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/knowledge-bases/${id}`, { method: 'DELETE' }),
    onSuccess: (_, id) => {
      client.removeQueries({ queryKey: ['knowledge-bases', 'one', id] });
      return client.invalidateQueries({ queryKey: ['knowledge-bases', 'list'] });
    },
  });
}

export type GrantLevel = 'view' | 'use' | 'edit';

/** With whom a base is shared. */
export const grantsQuery = (base: string) =>
  infiniteQueryOptions({
    queryKey: ['knowledge-bases', 'grants', base],
    queryFn: ({ pageParam, signal }) =>
      request<Page<KnowledgeBaseGrant>>(`/knowledge-bases/${base}/grants`, { signal, query: { cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export function usePutGrant(base: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: { user?: string; group_id?: string; level: GrantLevel }) =>
      request<KnowledgeBaseGrant>(`/knowledge-bases/${base}/grants`, { method: 'PUT', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['knowledge-bases'] }),
  });
}

export function useRemoveGrant(base: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (grant: string) => request(`/knowledge-bases/${base}/grants/${grant}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['knowledge-bases'] }),
  });
}

export function isSettled(document: KnowledgeDocument): boolean {
  return document.status === 'completed' || document.status === 'failed';
}

const POLL_MS = 1000;

/** Documents of a base; asked again every second while one of them is being read. */
export const documentsQuery = (base: string) =>
  infiniteQueryOptions({
    queryKey: ['documents', base],
    queryFn: ({ pageParam, signal }) =>
      request<Page<KnowledgeDocument>>(`/knowledge-bases/${base}/documents`, { signal, query: { cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((item) => !isSettled(item))) ? POLL_MS : false,
  });

export function uploadDocument(
  base: string,
  file: File,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<KnowledgeDocument> {
  return upload({ path: `/knowledge-bases/${base}/documents`, file, onProgress, signal });
}

export function useDeleteDocument(base: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/documents/${id}`, { method: 'DELETE' }),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['documents', base] }),
        client.invalidateQueries({ queryKey: ['knowledge-bases'] }),
      ]),
  });
}

export function useRetryDocument(base: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/documents/${id}/retry`, { method: 'POST' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['documents', base] }),
  });
}

export const documentTextQuery = (id: string, page: number) =>
  queryOptions({
    queryKey: ['document', id, 'text', page],
    queryFn: ({ signal }) => request<DocumentText>(`/documents/${id}/text`, { signal, query: { page } }),
    staleTime: Infinity,
  });

export function useKnowledgeSearch(base: string) {
  return useMutation({
    mutationFn: (query: string) =>
      request<SearchAnswer>(`/knowledge-bases/${base}/search`, { method: 'POST', body: { query, limit: 10 } }),
  });
}

/** Where a passage stands: what a citation and a retrieved chunk have in common. */
export type PassageRef = Pick<
  RetrievedChunk,
  'chunk_id' | 'document_id' | 'document_title' | 'page' | 'section' | 'start_offset' | 'end_offset'
>;
