import { createEvent, fireEvent, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { knowledgeBasesQuery } from '@/api/knowledge';
import { queryClient } from '@/api/query-client';
import type { Me } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { Composer } from './composer';

setUpApp();

function open(preferences: Record<string, unknown>) {
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences } as unknown as Me);
  queryClient.setQueryData(knowledgeBasesQuery.queryKey, { pages: [{ items: [] }], pageParams: [null] });
  const onSend = vi.fn(() => Promise.resolve(true));
  renderInApp(<Composer bases={[]} onBases={vi.fn()} onSend={onSend} sending={false} />);
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
