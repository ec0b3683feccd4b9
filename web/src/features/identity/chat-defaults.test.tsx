import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { ChatDefaults } from './chat-defaults';

setUpApp();

const HANDBOOK = { id: 'b1', name: 'Handbook', level: 'own' };

function answer(url: string): Response {
  if (url.endsWith('/knowledge-bases/b1')) return Response.json(HANDBOOK);
  if (url.includes('/knowledge-bases/')) return Response.json({ code: 'not_found', detail: 'It is gone.' }, { status: 404 });
  return Response.json({ items: [HANDBOOK] });
}

function open(preferences: Record<string, unknown>) {
  const saved: unknown[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method !== 'PUT') return Promise.resolve(answer(url));
    saved.push(url, JSON.parse(init.body as string));
    return Promise.resolve(new Response(null, { status: 204 }));
  });
  queryClient.setQueryData(meQuery.queryKey, { permissions: ['knowledge_base:read'], preferences } as unknown as Me);
  renderInApp(<ChatDefaults />);
  return saved;
}

test('Enter sends where nothing was set', async () => {
  open({});
  await waitFor(() => expect(queryClient.isFetching()).toBe(0));
  expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Enter' }).checked).toBe(true);
});

test('what is kept is shown, without what is gone, and a change keeps the rest', async () => {
  const saved = open({ chat: { send_with: 'enter', knowledge_base_ids: ['b1', 'b9'] } });
  expect(await screen.findByText('Handbook')).toBeDefined();
  await waitFor(() => expect(queryClient.isFetching()).toBe(0));
  expect(screen.queryByText('b9')).toBeNull();
  await userEvent.click(screen.getByText('Ctrl Enter'));
  expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Ctrl Enter' }).checked).toBe(true);
  const value = { send_with: 'ctrl_enter', knowledge_base_ids: ['b1', 'b9'] };
  await waitFor(() => expect(saved).toEqual(['/api/v1/me/preferences/chat', { value }]));
});
