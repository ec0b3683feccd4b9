import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { endSession, queryClient } from '@/api/query-client';
import type { Me } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { NewChatPage } from './new-chat-page';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

const BASES = [
  { id: 'b1', name: 'Handbook', level: 'own' },
  { id: 'b2', name: 'Only to be seen', level: 'view' },
  { id: 'b3', name: 'Minutes', level: 'use' },
];

function answer(url: string): Response {
  if (url.includes('/models')) return Response.json({ items: [] });
  const base = BASES.find(({ id }) => url.endsWith(`/knowledge-bases/${id}`));
  if (base) return Response.json(base);
  if (url.includes('/knowledge-bases/')) return Response.json({ code: 'not_found', detail: 'It is gone.' }, { status: 404 });
  return Response.json({ items: BASES });
}

class NoResizes {
  observe = vi.fn();
  unobserve = vi.fn();
  disconnect = vi.fn();
}

/** Opens the page, whose person kept two bases and one that is gone; they can be looked up once they are `known`. */
function open(address: string, known: Promise<void> = Promise.resolve()) {
  const made: unknown[] = [];
  // What jsdom does not have.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  vi.stubGlobal('ResizeObserver', NoResizes);
  vi.stubGlobal('scrollTo', vi.fn());
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method !== 'POST') {
      return url.includes('/knowledge-bases/') ? known.then(() => answer(url)) : Promise.resolve(answer(url));
    }
    made.push(JSON.parse(init.body as string));
    return Promise.resolve(Response.json({ code: 'no_model', detail: 'No model can answer.' }, { status: 422 }));
  });
  const preferences = { chat: { knowledge_base_ids: ['b1', 'b2', 'b9'] } };
  queryClient.setQueryData(meQuery.queryKey, { username: 'ada', permissions: [], preferences } as unknown as Me);
  const root = createRootRoute();
  const shell = createRoute({ getParentRoute: () => root, id: 'shell' });
  const chat = createRoute({ getParentRoute: () => shell, path: '/chat', component: NewChatPage });
  const router = createRouter({
    routeTree: root.addChildren([shell.addChildren([chat])]),
    history: createMemoryHistory({ initialEntries: [address] }),
  });
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <RouterProvider router={router as never} />
      </App>
    </QueryClientProvider>,
  );
  return made;
}

const field = () => screen.findByRole('textbox', { name: 'Ask anything' });

async function ask() {
  await userEvent.type(await field(), 'When does it open?{Enter}');
}

/** What is sent is refused here, so the question stands in the field again. */
async function expectRefusal() {
  expect(await screen.findByText('No model can answer.')).toBeDefined();
  expect(await field()).toHaveProperty('value', 'When does it open?');
}

test('a new chat asks the bases that were kept, as far as they can be asked', async () => {
  const made = open('/chat');
  expect(await screen.findByRole('button', { name: /Handbook/ })).toBeDefined();
  await ask();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b1'] }]));
  await expectRefusal();
});

test('a question that is sent before the bases are known goes out with them', async () => {
  let look = () => {};
  const made = open('/chat', new Promise((resolve) => (look = resolve)));
  await ask();
  expect(await field()).toHaveProperty('value', '');
  expect(screen.getByRole('button', { name: 'Send' }).classList).toContain('ant-btn-loading');
  // What is chosen now is for the next question.
  await userEvent.click(screen.getByRole('button', { name: /Knowledge/ }));
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Minutes' }));
  expect(made).toEqual([]);
  look();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b1'] }]));
  await expectRefusal();
});

test('a base that the address names takes their place', async () => {
  const made = open('/chat?base=b3');
  expect(await screen.findByRole('button', { name: /Minutes/ })).toBeDefined();
  await ask();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b3'] }]));
  await expectRefusal();
});
