import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import type { Model } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { ModelForm } from './model-form';
import { LARGE } from './test-known';

setUpApp();

/** Shows the form for a new model of a provider of which one model is known; answers with what it sends. */
async function show() {
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method === 'POST') sent.push(JSON.parse(init.body as string));
    const items = url.endsWith('/providers/p/known-models?model=large') ? [LARGE] : [];
    return Promise.resolve(Response.json({ items }));
  });
  const onClose = vi.fn();
  renderInApp(<ModelForm providerId="p" onClose={onClose} />);
  await screen.findByLabelText('Model');
  return { sent, onClose };
}

const field = (label: string) => screen.getByLabelText<HTMLInputElement>(label);

async function name(model: string) {
  await userEvent.clear(field('Model'));
  await userEvent.type(field('Model'), model);
  await userEvent.tab();
}

test('a model that is known brings its prices as a suggestion with a date', async () => {
  const { sent, onClose } = await show();
  await name('large');
  await screen.findByText('Suggested, as of Oct 21, 2026');
  await vi.waitFor(() => expect(field('Input').value).toBe('2.5'));
  expect(field('Output').value).toBe('10');
  expect(field('Cached input').value).toBe('1.25');
  expect(field('Cache write').value).toBe('');
  expect(field('Context (tokens)').value).toBe('1000000');
  expect(screen.getByText(/^For prompts of up to 200,000 tokens\. Longer ones have prices of their own/)).toBeDefined();
  expect(screen.getByText('The model itself gives at most 64,000.')).toBeDefined();

  await userEvent.clear(field('Output'));
  await userEvent.type(field('Output'), '9');
  await userEvent.type(field('Name'), 'Large');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(sent).toEqual([
    expect.objectContaining({ model: 'large', kind: 'chat', input_price: '2.5', output_price: '9', context_length: 1_000_000 }),
  ]);
});

test('what long prompts cost is entered as a tier, from where the suggested prices end', async () => {
  const { sent, onClose } = await show();
  await name('large');
  await screen.findByText('Suggested, as of Oct 21, 2026');
  await vi.waitFor(() => expect(field('Cached input').value).toBe('1.25'));
  await userEvent.type(field('Name'), 'Large');
  await userEvent.click(screen.getByRole('button', { name: /Add a tier/ }));
  const tier = within(screen.getByRole('group', { name: 'Tier 1' }));
  const price = (label: string) => tier.getByLabelText<HTMLInputElement>(label);
  expect(price('Prompts of more than (tokens)').value).toBe('200000');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(await tier.findByText('Enter at least one price.')).toBeDefined();
  await userEvent.type(price('Input'), '5');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect(await tier.findByText('Enter this as well: shorter prompts have such a price.')).toBeDefined();
  expect(sent).toEqual([]);
  await userEvent.type(price('Cached input'), '2.5');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  const tiers = [{ above: 200_000, input_price: '5', cached_input_price: '2.5' }];
  expect(sent).toEqual([expect.objectContaining({ input_price: '2.5', tiers })]);
});

test('what was suggested goes when the name becomes another, and what was typed stays', async () => {
  await show();
  await name('large');
  await vi.waitFor(() => expect(field('Input').value).toBe('2.5'));
  await userEvent.clear(field('Output'));
  await userEvent.type(field('Output'), '9');
  await name('somebodys-own');
  await vi.waitFor(() => expect(field('Input').value).toBe(''));
  expect(field('Output').value).toBe('9');
  expect(screen.queryByText(/^Suggested, as of/)).toBeNull();
});

test('where a tier was suggested to begin goes with the name', async () => {
  await show();
  await name('large');
  await screen.findByText('Suggested, as of Oct 21, 2026');
  await userEvent.click(screen.getByRole('button', { name: /Add a tier/ }));
  const above = () => field('Prompts of more than (tokens)').value;
  expect(above()).toBe('200000');
  await name('somebodys-own');
  await vi.waitFor(() => expect(above()).toBe(''));
});

test('what reasoning costs is entered for short prompts, too', async () => {
  const { sent, onClose } = await show();
  await name('somebodys-own');
  await userEvent.type(field('Name'), 'Own');
  expect(field('Reasoning').placeholder).toBe('As Output');
  await userEvent.type(field('Reasoning'), '7');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(sent).toEqual([expect.objectContaining({ reasoning_price: '7' })]);
});

test('what a model was given can be taken away again', async () => {
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    if (init.method === 'PATCH') sent.push(JSON.parse(init.body as string));
    return Promise.resolve(Response.json({ items: [] }));
  });
  const model = { id: 'm', provider_config_id: 'p', model: 'large', name: 'Large', kind: 'chat', context_length: 8000, max_tokens: 500 } as Model;
  renderInApp(<ModelForm model={model} onClose={vi.fn()} />);
  await userEvent.clear(await screen.findByLabelText('Context (tokens)'));
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(sent).toEqual([expect.objectContaining({ name: 'Large', context_length: null, max_tokens: 500 })]));
});
