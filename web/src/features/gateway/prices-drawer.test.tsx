import { screen } from '@testing-library/react';
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
