import { act, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, test, vi } from 'vitest';
import type { KnownModel, Model, PriceTier } from '@/api/types';
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

/** Shows a model with tiers; answers with what is added to its prices, and with how to change the model. */
async function showTiers(tiers: PriceTier[], refusal?: object) {
  const added: unknown[] = [];
  const version = { id: 'v', input_price: '2.5', output_price: '10', tiers, valid_from: '2026-10-21T00:00:00Z', in_force: true };
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method === 'POST') {
      added.push(JSON.parse(init.body as string));
      return Promise.resolve(refusal ? Response.json(refusal, { status: 422 }) : new Response(null, { status: 204 }));
    }
    return Promise.resolve(Response.json({ items: url.includes('/prices') ? [version] : [] }));
  });
  let change: (changes: Partial<Model>) => void = vi.fn();
  function Shown() {
    const [model, setModel] = useState<Model>({ ...MODEL, input_price: '2.5', output_price: '10', tiers });
    change = (changes) => act(() => setModel({ ...model, ...changes }));
    return <PricesDrawer model={model} onClose={vi.fn()} />;
  }
  renderInApp(<Shown />);
  expect(await screen.findByText('above 200,000 tokens: $5.00')).toBeDefined();
  return { added, change: (changes: Partial<Model>) => change(changes) };
}

const showTier = () => showTiers([{ above: 200_000, input_price: '5' }]);

const tier = (place: number) => within(screen.getByRole('group', { name: `Tier ${place}` }));
const ABOVE = 'Prompts of more than (tokens)';

test('what long prompts cost is shown, and changed with all tiers at once', async () => {
  const { added } = await showTier();
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
  const { added } = await showTier();
  await userEvent.type(screen.getAllByLabelText('Output')[0] as HTMLElement, '12');
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  await vi.waitFor(() => expect(added).toEqual([{ output_price: '12' }]));
});

test('tiers that are removed are taken away', async () => {
  const { added } = await showTier();
  await userEvent.click(screen.getByRole('button', { name: 'Remove tier 1' }));
  await userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
  await vi.waitFor(() => expect(added).toEqual([{ tiers: [] }]));
});

const add = () => userEvent.click(screen.getByRole('button', { name: 'Add the price' }));
const PART = 'Enter this as well: shorter prompts have such a price.';

test('a tier of the whole has to name the part that the model has a price of', async () => {
  const { added, change } = await showTier();
  change({ cached_input_price: '1.25' });
  await userEvent.type(screen.getAllByLabelText('Output')[0] as HTMLElement, '12');
  await add();
  expect(await tier(1).findByText(PART)).toBeDefined();
  expect(added).toEqual([]);
});

test('a tier of the whole has to name the part that a lower one names, wherever it stands', async () => {
  const higher = { above: 500_000, input_price: '6' };
  const { added } = await showTiers([higher, { above: 200_000, input_price: '5', cached_input_price: '2' }]);
  await userEvent.type(screen.getAllByLabelText('Output')[0] as HTMLElement, '12');
  await add();
  expect(await tier(1).findByText(PART)).toBeDefined();
  expect(tier(2).queryByText(PART)).toBeNull();
  expect(added).toEqual([]);
});

test('tiers that the server refuses are told of at the tiers', async () => {
  const tiers = [{ above: 200_000, input_price: '5' }];
  const refusal = { code: 'invalid_field', field: 'tiers', detail: 'tiers: must be at most 8' };
  const { added } = await showTiers(tiers, refusal);
  await userEvent.type(tier(1).getByLabelText('Input'), '0');
  await add();
  const told = await screen.findByText(refusal.detail);
  expect(told.closest('.ant-form-item')?.contains(screen.getByRole('group', { name: 'Tier 1' }))).toBe(true);
  expect(added).toHaveLength(1);
});

test('tiers that somebody else changes are shown, and what was typed beside them stays', async () => {
  const { added, change } = await showTier();
  const output = () => screen.getAllByLabelText<HTMLInputElement>('Output')[0] as HTMLInputElement;
  await userEvent.type(output(), '12');
  change({ tiers: [{ above: 300_000, input_price: '7' }] });
  await vi.waitFor(() => expect(tier(1).getByLabelText<HTMLInputElement>(ABOVE).value).toBe('300000'));
  expect(output().value).toBe('12');
  await add();
  await vi.waitFor(() => expect(added).toEqual([{ output_price: '12' }]));
});

test('tiers that were changed here stay so when somebody else changes them', async () => {
  const { change } = await showTier();
  await userEvent.type(tier(1).getByLabelText('Output'), '20');
  change({ tiers: [] });
  expect(tier(1).getByLabelText<HTMLInputElement>('Output').value).toBe('20');
});

test('what was added is shown as the model has it now, and the button keeps the focus', async () => {
  const { added, change } = await showTier();
  await userEvent.type(tier(1).getByLabelText('Output'), '20');
  await add();
  await vi.waitFor(() => expect(added).toHaveLength(1));
  await vi.waitFor(() => expect(tier(1).getByLabelText<HTMLInputElement>('Output').value).toBe(''));
  change({ tiers: [{ above: 200_000, input_price: '5', output_price: '20' }] });
  await vi.waitFor(() => expect(tier(1).getByLabelText<HTMLInputElement>('Output').value).toBe('20'));
  expect(document.activeElement).toBe(screen.getByRole('button', { name: 'Add the price' }));
});
