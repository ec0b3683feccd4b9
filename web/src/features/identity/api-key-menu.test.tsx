import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import type { ApiKey } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { ApiKeyMenu } from './api-key-menu';

setUpApp();

const KEY: ApiKey = {
  id: 'k',
  name: 'ci',
  hint: '…abcd',
  permissions: ['inference:create'],
  status: 'active',
  allowed_addresses: [],
  models: null,
  created_at: '2026-11-20T12:00:00Z',
};

/** Opens a key for editing, with the cursor of a next page of models; answers with what is saved. */
async function edit(more: Partial<ApiKey>, next_cursor: string | null = null) {
  const saved: unknown[] = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    if (init.method !== 'PATCH') {
      const items = ['gpt-5', 'best'].map((name) => ({ id: name, name, kind: 'chat', available: true }));
      return Promise.resolve(Response.json({ items, next_cursor }));
    }
    saved.push(JSON.parse(init.body as string));
    return Promise.resolve(Response.json(KEY));
  });
  renderInApp(<ApiKeyMenu apiKey={{ ...KEY, ...more }} />);
  await userEvent.click(screen.getByRole('button', { name: 'More about ci' }));
  await userEvent.click(await screen.findByText('Edit'));
  await screen.findByText('Edit the API key');
  return saved;
}

const save = () => userEvent.click(screen.getByRole('button', { name: 'Save' }));

test('a name that none of the models has is kept and marked', async () => {
  const saved = await edit({ models: ['gpt-5', 'later'] });
  expect(await screen.findByText('later (none of your models)')).toBeDefined();
  expect(screen.queryByText('gpt-5 (none of your models)')).toBeNull();
  await userEvent.type(screen.getByLabelText('Names of the models'), 'soon{Enter}');
  await save();
  const models = ['gpt-5', 'later', 'soon'];
  await waitFor(() => expect(saved).toEqual([{ name: 'ci', allowed_addresses: [], models, status: 'active' }]));
});

test('where there are more models than one page tells, no name is marked', async () => {
  await edit({ models: ['gpt-5', 'later'] }, 'more');
  await screen.findByText('later');
  // The list has come.
  await userEvent.click(screen.getByLabelText('Names of the models'));
  expect(await screen.findByTitle('best')).toBeDefined();
  expect(screen.queryByText('later (none of your models)')).toBeNull();
});

test('to take the last name away opens the key to nothing', async () => {
  const saved = await edit({ models: ['gpt-5'] });
  await userEvent.click(screen.getByLabelText('Names of the models'));
  await userEvent.keyboard('{Backspace}');
  await save();
  expect(await screen.findByText('Name at least one model, or choose all.')).toBeDefined();
  expect(saved).toEqual([]);
  await userEvent.click(screen.getByRole('radio', { name: 'All that you may use' }));
  await save();
  await waitFor(() => expect(saved).toEqual([{ name: 'ci', allowed_addresses: [], models: null, status: 'active' }]));
});

test('a key of all models stays one', async () => {
  const saved = await edit({});
  expect(screen.queryByLabelText('Names of the models')).toBeNull();
  await save();
  await waitFor(() => expect(saved).toEqual([{ name: 'ci', allowed_addresses: [], models: null, status: 'active' }]));
});
