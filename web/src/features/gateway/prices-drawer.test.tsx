import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import type { KnownModel, Model } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { PricesDrawer } from './prices-drawer';

setUpApp();

const KNOWN: KnownModel = {
  provider: 'openai',
  model: 'gpt-4o',
  kind: 'chat',
  as_of: '2026-10-21',
  input_price: '2.5',
  output_price: '10',
};

const MODEL = {
  id: 'm',
  name: 'Large',
  model: 'gpt-4o-2024-08-06',
  kind: 'chat',
  provider: 'openai',
  provider_config_id: 'p',
  editable: true,
} as Model;

test('known prices are filled in for whoever asks for them, and added as any other', async () => {
  const added: unknown[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method === 'POST') {
      added.push(JSON.parse(init.body as string));
      return Promise.resolve(new Response(null, { status: 204 }));
    }
    const known = url.endsWith('/providers/p/known-models?model=gpt-4o-2024-08-06');
    return Promise.resolve(Response.json({ items: known ? [KNOWN] : [] }));
  });
  renderInApp(<PricesDrawer model={MODEL} onClose={vi.fn()} />);
  await screen.findByText('Suggested, as of Oct 21, 2026');
  const input = screen.getByLabelText<HTMLInputElement>('Input');
  expect(input.value).toBe('');
  await userEvent.click(screen.getByRole('button', { name: 'Fill in' }));
  await vi.waitFor(() => expect(input.value).toBe('2.5'));
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  await vi.waitFor(() => expect(added).toEqual([{ input_price: '2.5', output_price: '10' }]));
});

/** Shows a model with a tier; answers with what is added to its prices. */
async function showTier() {
  const added: unknown[] = [];
  const tiers = [{ above: 200_000, input_price: '5' }];
  const version = { id: 'v', input_price: '2.5', output_price: '10', tiers, valid_from: '2026-10-21T00:00:00Z', in_force: true };
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method === 'POST') {
      added.push(JSON.parse(init.body as string));
      return Promise.resolve(new Response(null, { status: 204 }));
    }
    return Promise.resolve(Response.json({ items: url.includes('/prices') ? [version] : [] }));
  });
  renderInApp(<PricesDrawer model={{ ...MODEL, input_price: '2.5', output_price: '10', tiers }} onClose={vi.fn()} />);
  expect(await screen.findByText('above 200,000: $5.00')).toBeDefined();
  return added;
}

const tier = (place: number) => within(screen.getByRole('group', { name: `Tier ${place}` }));
const ABOVE = 'Prompts of more than (tokens)';

test('what long prompts cost is shown, and changed with all tiers at once', async () => {
  const added = await showTier();
  expect(tier(1).getByLabelText<HTMLInputElement>(ABOVE).value).toBe('200000');
  await userEvent.click(screen.getByRole('button', { name: /Add a tier/ }));
  await userEvent.type(tier(2).getByLabelText(ABOVE), '200000');
  await userEvent.type(tier(2).getByLabelText('Output'), '20');
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  expect(await tier(2).findByText('There is a tier of this number already.')).toBeDefined();
  await userEvent.clear(tier(2).getByLabelText(ABOVE));
  await userEvent.type(tier(2).getByLabelText(ABOVE), '500000');
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  const tiers = [
    { above: 200_000, input_price: '5' },
    { above: 500_000, output_price: '20' },
  ];
  await vi.waitFor(() => expect(added).toEqual([{ tiers }]));
});

test('tiers that nobody touches are not sent', async () => {
  const added = await showTier();
  await userEvent.type(screen.getAllByLabelText('Output')[0] as HTMLElement, '12');
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  await vi.waitFor(() => expect(added).toEqual([{ output_price: '12' }]));
});

test('tiers that are removed are taken away', async () => {
  const added = await showTier();
  await userEvent.click(screen.getByRole('button', { name: 'Remove tier 1' }));
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  await vi.waitFor(() => expect(added).toEqual([{ tiers: [] }]));
});
