import { InfiniteQueryObserver, QueryClient } from '@tanstack/react-query';
import { beforeEach, expect, test, vi } from 'vitest';
import { appendMessages, flattenMessages, messagesQuery, replaceMessage } from './chat';
import type { Message, MessagePage } from './types';

const message = (id: string, parent: string | null): Message => ({
  id,
  conversation_id: 'c',
  parent_id: parent,
  sequence_number: 1,
  role: 'user',
  content: id,
  status: 'completed',
  citations: [],
  siblings: [id],
  created_at: '2026-01-01T00:00:00Z',
});

let client: QueryClient;
const shown = () => flattenMessages(client.getQueryData(messagesQuery('c').queryKey)).map(({ id }) => id);

beforeEach(() => {
  client = new QueryClient();
  const pages: MessagePage[] = [
    { items: [message('c', 'b'), message('d', 'c')], previous: 3 },
    { items: [message('a', null), message('b', 'a')] },
  ];
  client.setQueryData(messagesQuery('c').queryKey, { pages, pageParams: [null, 3] });
});

test('pages go back in time', () => {
  expect(shown()).toEqual(['a', 'b', 'c', 'd']);
});

test('a new question follows the end', () => {
  appendMessages(client, 'c', 'd', [message('e', 'd'), message('f', 'e')]);
  expect(shown()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

test('an edited question takes the place of what came after its parent', () => {
  appendMessages(client, 'c', 'b', [message('c2', 'b')]);
  expect(shown()).toEqual(['a', 'b', 'c2']);
});

test('an edited first question starts over', () => {
  appendMessages(client, 'c', null, [message('a2', null)]);
  expect(shown()).toEqual(['a2']);
});

test('a finished answer takes its place', () => {
  replaceMessage(client, { ...message('d', 'c'), content: 'done', siblings: [] });
  const last = flattenMessages(client.getQueryData(messagesQuery('c').queryKey)).at(-1);
  expect(last).toMatchObject({ content: 'done', siblings: ['d'] });
});

test('a page asked for before an answer ended does not bring the unfinished answer back', async () => {
  const unfinished: Message = { ...message('f', null), status: 'streaming' };
  const finished: Message = { ...unfinished, status: 'completed' };
  const replies: ((page: MessagePage) => void)[] = [];
  const observer = new InfiniteQueryObserver(client, {
    ...messagesQuery('c'),
    queryFn: () => new Promise<MessagePage>((resolve) => replies.push(resolve)),
  });
  client.setQueryData(messagesQuery('c').queryKey, { pages: [{ items: [unfinished] }], pageParams: [null] });
  const stop = observer.subscribe(() => undefined);
  replaceMessage(client, finished);
  replies[0]?.({ items: [unfinished] });
  replies[1]?.({ items: [finished] });
  await vi.waitFor(() => expect(client.isFetching()).toBe(0));
  expect(observer.getCurrentResult().data?.pages[0]?.items[0]?.status).toBe('completed');
  expect(replies).toHaveLength(2);
  stop();
});
