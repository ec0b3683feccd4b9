import { QueryClientProvider } from '@tanstack/react-query';
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
  type RouteComponent,
} from '@tanstack/react-router';
import { render } from '@testing-library/react';
import { App } from 'antd';
import type { ReactNode } from 'react';
import { afterEach, beforeAll, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import { showLanguage } from '@/lib/i18n';

/** Has the tests of a file run in English, each without what the one before left behind. */
export function setUpApp(): void {
  beforeAll(() => showLanguage('en'));
  afterEach(() => {
    endSession();
    vi.unstubAllGlobals();
  });
}

class NoResizes {
  observe = vi.fn();
  unobserve = vi.fn();
  disconnect = vi.fn();
}

function standInForBrowser(): void {
  // What jsdom does not have.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  vi.stubGlobal('ResizeObserver', NoResizes);
  vi.stubGlobal('scrollTo', vi.fn());
}

/** Renders with what the app has around all of its pages. */
export function renderInApp(content: ReactNode): void {
  standInForBrowser();
  render(
    <QueryClientProvider client={queryClient}>
      <App>{content}</App>
    </QueryClientProvider>,
  );
}

/** Renders one page of the shell at an address; answers with how to read the search of the address later. */
export function renderPage(path: string, component: RouteComponent, address: string): () => unknown {
  const root = createRootRoute();
  const shell = createRoute({ getParentRoute: () => root, id: 'shell' });
  const page = createRoute({ getParentRoute: () => shell, path, component });
  const router = createRouter({
    routeTree: root.addChildren([shell.addChildren([page])]),
    history: createMemoryHistory({ initialEntries: [address] }),
  });
  renderInApp(<RouterProvider router={router as never} />);
  return () => router.state.location.search;
}
