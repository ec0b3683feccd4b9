import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
  type InfiniteData,
  type QueryClient,
} from '@tanstack/react-query';
import { request } from '@/lib/http';
import type { Conversation, Explanation, Message, MessagePage, Page, SentMessage } from './types';

export interface ConversationFilter {
  q?: string;
  favorite?: boolean;
  archived?: boolean;
}

export const conversationsQuery = (filter: ConversationFilter = {}) =>
  infiniteQueryOptions({
    queryKey: ['conversations', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      request<Page<Conversation>>('/conversations', { signal, query: { ...filter, limit: 40, cursor: pageParam } }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor ?? null,
  });

export const conversationQuery = (id: string) =>
  queryOptions({
    queryKey: ['conversations', 'one', id],
    queryFn: ({ signal }) => request<Conversation>(`/conversations/${id}`, { signal }),
  });

export interface ConversationInput {
  title?: string;
  model_config_id?: string | null;
  knowledge_base_ids?: string[];
  is_favorite?: boolean;
  archived?: boolean;
}

export function createConversation(body: ConversationInput): Promise<Conversation> {
  return request('/conversations', { method: 'POST', body });
}

export function useUpdateConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...body }: ConversationInput & { id: string }) =>
      request<Conversation>(`/conversations/${id}`, { method: 'PATCH', body }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['conversations'] }),
  });
}

export function useDeleteConversation() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`/conversations/${id}`, { method: 'DELETE' }),
    onSuccess: (_, id) => {
      client.removeQueries({ queryKey: ['conversations', 'one', id] });
      client.removeQueries({ queryKey: ['messages', id] });
      return client.invalidateQueries({ queryKey: ['conversations', 'list'] });
    },
  });
}

const PAGE = 50;

/** The current branch; pages go back in time, each ordered oldest to newest. */
export const messagesQuery = (conversation: string) =>
  infiniteQueryOptions({
    queryKey: ['messages', conversation],
    queryFn: ({ pageParam, signal }) =>
      request<MessagePage>(`/conversations/${conversation}/messages`, {
        signal,
        query: { limit: PAGE, before: pageParam },
      }),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.previous ?? null,
    staleTime: 0,
  });

type MessageData = InfiniteData<MessagePage, number | null>;

export function flattenMessages(data: InfiniteData<MessagePage> | undefined): Message[] {
  return data ? [...data.pages].reverse().flatMap((page) => page.items) : [];
}

/** A page that was asked for before would undo the change on its arrival, so it is asked for anew. */
function changeMessages(
  client: QueryClient,
  conversation: string,
  change: (data: MessageData | undefined) => MessageData | undefined,
): void {
  const { queryKey } = messagesQuery(conversation);
  const asked = client.isFetching({ queryKey }) > 0;
  client.setQueryData<MessageData>(queryKey, change);
  if (asked) void client.invalidateQueries({ queryKey });
}

/** Puts the final form of a message in its place. */
export function replaceMessage(client: QueryClient, message: Message): void {
  const replace = (item: Message) =>
    item.id === message.id
      ? { ...message, siblings: message.siblings.length > 0 ? message.siblings : item.siblings }
      : item;
  changeMessages(
    client,
    message.conversation_id,
    (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.map(replace) })) },
  );
}

/** Shows new messages after `parent`, in place of what stood there on the old branch. */
export function appendMessages(
  client: QueryClient,
  conversation: string,
  parent: string | null | undefined,
  added: Message[],
): void {
  changeMessages(client, conversation, (data) => {
    if (!data) return { pages: [{ items: added }], pageParams: [null] };
    const all = flattenMessages(data);
    const at = parent ? all.findIndex((item) => item.id === parent) : -1;
    const oldest = data.pages.at(-1)?.previous ?? null;
    const kept = parent ? (at < 0 ? all : all.slice(0, at + 1)) : [];
    return { pages: [{ items: [...kept, ...added], previous: oldest }], pageParams: [null] };
  });
}

export interface NewMessage {
  content: string;
  parent_id?: string | null;
  model_config_id?: string;
  knowledge_base_ids?: string[];
}

export function postMessage(conversation: string, body: NewMessage): Promise<SentMessage> {
  return request(`/conversations/${conversation}/messages`, { method: 'POST', body });
}

export function regenerateMessage(id: string): Promise<{ assistant_message: Message }> {
  return request(`/messages/${id}/regenerate`, { method: 'POST' });
}

export function stopMessage(id: string): Promise<void> {
  return request(`/messages/${id}/stop`, { method: 'POST' });
}

export function useSwitchBranch(conversation: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (messageId: string) =>
      request(`/conversations/${conversation}/active-leaf`, { method: 'PATCH', body: { message_id: messageId } }),
    onSuccess: () => client.resetQueries({ queryKey: ['messages', conversation] }),
  });
}

export const explanationQuery = (message: string) =>
  queryOptions({
    queryKey: ['explanation', message],
    queryFn: ({ signal }) => request<Explanation>(`/messages/${message}/explanation`, { signal }),
  });
