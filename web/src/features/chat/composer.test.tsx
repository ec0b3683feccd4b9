import { QueryClientProvider } from '@tanstack/react-query';
import { createEvent, fireEvent, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { knowledgeBasesQuery } from '@/api/knowledge';
import { endSession, queryClient } from '@/api/query-client';
import type { Me } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { Composer } from './composer';

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

function open(preferences: Record<string, unknown>) {
  // What jsdom does not have.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  vi.stubGlobal('ResizeObserver', NoResizes);
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences } as unknown as Me);
  queryClient.setQueryData(knowledgeBasesQuery.queryKey, { pages: [{ items: [] }], pageParams: [null] });
  const onSend = vi.fn(() => Promise.resolve(true));
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <Composer bases={[]} onBases={vi.fn()} onSend={onSend} sending={false} />
      </App>
    </QueryClientProvider>,
  );
  return onSend;
}

const field = () => screen.getByRole('textbox', { name: 'Ask anything' });

test('Enter sends, and with Shift begins a new line', async () => {
  const onSend = open({});
  expect(screen.getByText('Enter to send · Shift Enter for a new line')).toBeDefined();
  await userEvent.type(field(), 'one{Shift>}{Enter}{/Shift}two');
  expect(onSend).not.toHaveBeenCalled();
  await userEvent.type(field(), '{Enter}');
  expect(onSend.mock.calls).toEqual([['one\ntwo']]);
  expect(field()).toHaveProperty('value', '');
});

test('an Enter that ends the composition of a word is left to the input method', async () => {
  const onSend = open({});
  await userEvent.type(field(), 'ni hao');
  const enter = createEvent.keyDown(field(), { key: 'Enter', isComposing: true });
  fireEvent(field(), enter);
  expect(enter.defaultPrevented).toBe(false);
  expect(onSend).not.toHaveBeenCalled();
  await userEvent.type(field(), '{Enter}');
  expect(onSend.mock.calls).toEqual([['ni hao']]);
});

test('where it is set so, Enter begins a new line and Ctrl Enter sends', async () => {
  const onSend = open({ chat: { send_with: 'ctrl_enter' } });
  expect(screen.getByText('Ctrl Enter to send · Enter for a new line')).toBeDefined();
  await userEvent.type(field(), 'one{Enter}two');
  expect(onSend).not.toHaveBeenCalled();
  await userEvent.type(field(), '{Control>}{Enter}{/Control}');
  expect(onSend.mock.calls).toEqual([['one\ntwo']]);
});
