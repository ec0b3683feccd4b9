import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { offeredModelsQuery } from '@/api/gateway';
import { queryClient } from '@/api/query-client';
import type { OfferedModel } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { OfferedModels } from './offered-models';

setUpApp();

const OFFERED = [
  { id: 'large', name: 'large', kind: 'chat' as const, context_length: 128_000, added: false },
  { id: 'embedder', name: 'embedder (Mine)', kind: 'embedding' as const, added: false },
  { id: 'painter', name: 'painter', added: false },
  { id: 'there', name: 'there', kind: 'chat' as const, added: true },
];

/** Shows them, with this as the server's answer to adding some; answers with what it is asked and whether it is closed. */
function show(answer: () => Response, items: OfferedModel[] = OFFERED) {
  const asked: { url: string; body: unknown }[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method !== 'POST') return Promise.resolve(Response.json({ items }));
    asked.push({ url, body: JSON.parse(init.body as string) as unknown });
    return Promise.resolve(answer());
  });
  queryClient.setQueryData(offeredModelsQuery('p').queryKey, { items });
  const onClose = vi.fn();
  renderInApp(<OfferedModels provider={{ id: 'p', name: 'Mine' }} onClose={onClose} />);
  return { asked, onClose };
}

const box = (name: string) => screen.findByRole('checkbox', { name: `Choose ${name}` });

test('several models are added in one request, as what they are', async () => {
  const { asked, onClose } = show(() => Response.json({ items: [] }, { status: 201 }));
  await userEvent.click(await box('large'));
  await userEvent.click(await box('embedder'));
  expect(screen.getByText('will be called embedder (Mine)')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Add 2 models' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(asked).toEqual([
    {
      url: '/api/v1/providers/p/models',
      body: {
        models: [
          { model: 'large', name: 'large', kind: 'chat', context_length: 128_000 },
          { model: 'embedder', name: 'embedder (Mine)', kind: 'embedding', context_length: null },
        ],
      },
    },
  ]);
});

test('what is there already, and what seems to be something else, is not added by chance', async () => {
  show(() => Response.json({}));
  expect(await box('there')).toHaveProperty('disabled', true);
  expect(await box('painter')).toHaveProperty('disabled', true);
  expect(screen.getByText('added already')).toBeDefined();
  await userEvent.type(screen.getByRole('searchbox', { name: 'Search by name' }), 'LARG');
  expect(screen.queryByRole('checkbox', { name: 'Choose embedder' })).toBeNull();
  expect(await box('large')).toHaveProperty('disabled', false);
});

test('each model that is refused is named with the reason', async () => {
  const { onClose } = show(() =>
    Response.json(
      {
        code: 'models_refused',
        detail: 'Nothing was added.',
        refused: [{ model: 'large', code: 'name_taken', detail: 'The name is in use; choose another.' }],
      },
      { status: 422 },
    ),
  );
  await userEvent.click(await box('large'));
  await userEvent.click(screen.getByRole('button', { name: 'Add 1 model' }));
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toContain('Nothing was added');
  expect(within(alert).getByRole('listitem').textContent).toBe('large: The name is in use; choose another.');
  expect(onClose).not.toHaveBeenCalled();
});

const KNOWN: OfferedModel = {
  id: 'gpt-4o',
  name: 'gpt-4o',
  kind: 'chat',
  added: false,
  known: {
    provider: 'openai',
    model: 'gpt-4o',
    kind: 'chat',
    as_of: '2026-10-21',
    input_price: '2.5',
    cached_input_price: '1.25',
    output_price: '10',
    context_length: 128_000,
  },
};

test('what is known of a model is shown and goes with it', async () => {
  const { asked, onClose } = show(() => Response.json({ items: [] }, { status: 201 }), [...OFFERED, KNOWN]);
  await userEvent.click(await box('gpt-4o'));
  expect(screen.getByText('$2.5 / $10')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Add 1 model' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  const prices = { input_price: '2.5', cached_input_price: '1.25', output_price: '10' };
  expect(asked[0]?.body).toEqual({
    models: [{ model: 'gpt-4o', name: 'gpt-4o', kind: 'chat', context_length: 128_000, ...prices }],
  });
});

test('suggestions are left out by whoever does not want them', async () => {
  const { asked, onClose } = show(() => Response.json({ items: [] }, { status: 201 }), [KNOWN]);
  await userEvent.click(await box('gpt-4o'));
  await userEvent.click(screen.getByRole('checkbox', { name: /^Enter the suggested prices and contexts, as of Oct 21, 2026/ }));
  await userEvent.click(screen.getByRole('button', { name: 'Add 1 model' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(asked[0]?.body).toEqual({ models: [{ model: 'gpt-4o', name: 'gpt-4o', kind: 'chat', context_length: null }] });
});
