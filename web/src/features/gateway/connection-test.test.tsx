import { QueryClientProvider } from '@tanstack/react-query';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import { showLanguage } from '@/lib/i18n';
import { ConnectionTest } from './connection-test';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

class NoResizes {
  observe = vi.fn();
  unobserve = vi.fn();
  disconnect = vi.fn();
}

function open() {
  // What jsdom does not have.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  vi.stubGlobal('ResizeObserver', NoResizes);
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <ConnectionTest id="p1" />
      </App>
    </QueryClientProvider>,
  );
  return screen.getByRole('button', { name: 'Test the connection' });
}

test('the keyboard, too, reaches what a test may cost', async () => {
  const button = open();
  await userEvent.tab();
  expect(document.activeElement).toBe(button);
  expect(await screen.findByRole('tooltip')).toHaveProperty('textContent', expect.stringContaining('may cost a little'));
  await waitFor(() =>
    expect(screen.getByRole('button', { name: 'Test the connection', description: /may cost a little/ })).toBe(button),
  );
});
