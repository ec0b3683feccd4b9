import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import { showLanguage } from '@/lib/i18n';
import { WelcomePage } from './welcome-page';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

const BASE = { id: 'b1', name: 'My documents', editable: true, document_count: 0 };

function answer(url: string): Response {
  if (url.includes('/knowledge-bases/b1/documents')) return Response.json({ items: [] });
  if (url.includes('/knowledge-bases/b1')) return Response.json(BASE);
  if (url.includes('/knowledge-bases/')) return Response.json({ code: 'not_found', detail: 'It is gone.' }, { status: 404 });
  return Response.json({ items: [BASE, { ...BASE, id: 'b2', name: 'Lent', editable: false }] });
}

class NoResizes {
  observe = vi.fn();
  unobserve = vi.fn();
  disconnect = vi.fn();
}

function open(address: string) {
  vi.stubGlobal('fetch', (url: string) => Promise.resolve(answer(url)));
  // What jsdom does not have.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  vi.stubGlobal('ResizeObserver', NoResizes);
  vi.stubGlobal('scrollTo', vi.fn());
  const root = createRootRoute();
  const shell = createRoute({ getParentRoute: () => root, id: 'shell' });
  const welcome = createRoute({ getParentRoute: () => shell, path: '/welcome', component: WelcomePage });
  const router = createRouter({
    routeTree: root.addChildren([shell.addChildren([welcome])]),
    history: createMemoryHistory({ initialEntries: [address] }),
  });
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <RouterProvider router={router as never} />
      </App>
    </QueryClientProvider>,
  );
  return () => router.state.location.search;
}

test('a second use has a name that is free, and the bases that one may add to', async () => {
  const search = open('/welcome');
  expect(await screen.findByRole<HTMLInputElement>('textbox')).toHaveProperty('value', 'My documents 2');
  expect(screen.queryByText('Lent')).toBeNull();
  await userEvent.click(screen.getByRole('link', { name: /My documents/ }));
  await screen.findByText('Drop files here, or click to choose');
  expect(search()).toEqual({ base: 'b1' });
});

test('the address leads back to the step', async () => {
  open('/welcome?base=b1&step=ask');
  expect(await screen.findByText('Ask anything that "My documents" could answer.')).toBeDefined();
});

test('a base that is gone is told, and another can be made', async () => {
  open('/welcome?base=b9');
  expect(await screen.findByText('It is gone.')).toBeDefined();
  expect(await screen.findByRole('button', { name: 'Create it' })).toBeDefined();
});
