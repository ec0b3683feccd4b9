import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, test, vi } from 'vitest';
import { catalogueQuery } from '@/api/gateway';
import { queryClient } from '@/api/query-client';
import { meQuery } from '@/api/identity';
import type { CatalogueProvider, Me, Provider } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { showLanguage } from '@/lib/i18n';
import { ProviderForm } from './provider-form';

setUpApp();
afterEach(() => showLanguage('en'));

const QWEN: CatalogueProvider = {
  name: 'qwen',
  display_name: 'Qwen',
  default_base_url: 'https://beijing.example.org/v1',
  requires_api_key: false,
  is_active: true,
  config_schema: {
    type: 'object',
    properties: {
      region: {
        type: 'string',
        enum: ['beijing', 'singapore'],
        default: 'beijing',
        'x-base-urls': { beijing: 'https://beijing.example.org/v1', singapore: 'https://singapore.example.org/v1' },
      },
      api: { type: 'string', enum: ['chat', 'responses'], default: 'chat', title: 'API for answers' },
      answer_timeout_seconds: { type: 'integer', minimum: 1, maximum: 3600, default: 600 },
      enable_thinking: { type: 'boolean', default: true },
      headers: { type: 'object' },
    },
  },
};

const MINE = {
  id: 'p',
  name: 'Mine',
  provider: 'qwen',
  scope: 'personal',
  base_url: 'https://beijing.example.org/v1',
  config: { headers: { 'x-token': true, 'x-team': true } },
  is_active: true,
} as unknown as Provider;

/** Shows the provider's form, with this as the server's answer to a change; answers with the configs that are sent. */
async function edit(answer: () => Response) {
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    if (init.method !== 'PATCH') return Promise.resolve(Response.json({ items: [] }));
    sent.push((JSON.parse(init.body as string) as { config: unknown }).config);
    return Promise.resolve(answer());
  });
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences: {} } as unknown as Me);
  queryClient.setQueryData(catalogueQuery.queryKey, { items: [QWEN] });
  renderInApp(<ProviderForm provider={MINE} onClose={vi.fn()} />);
  await userEvent.click(await screen.findByRole('button', { name: /More settings|更多设置/ }));
  return sent;
}

const refusal = (field: string, reason: string) =>
  Response.json({ code: 'invalid_field', field, detail: `${field}: ${reason}` }, { status: 422 });

/** What stands at the name of the header in this row. */
const nameInRow = (row: number) =>
  screen.getByLabelText(`Further headers ${row}: Name`).closest('.ant-form-item')?.textContent ?? '';

test('defaults are shown and not sent', async () => {
  const sent = await edit(() => Response.json(MINE));
  expect(document.querySelector('[id$=answer_timeout_seconds]')?.getAttribute('placeholder')).toBe('600');
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  await vi.waitFor(() => expect(sent).toEqual([{ headers: { 'x-token': true, 'x-team': true } }]));
});

test('a header that the server refuses is told in its row and above the form', async () => {
  await edit(() => refusal('config.headers.x-team', 'is needed again'));
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  const words = 'Not accepted: x-team: is needed again';
  expect((await screen.findByRole('alert')).textContent).toContain(words);
  expect(nameInRow(2)).toContain(words);
  expect(nameInRow(1)).not.toContain(words);
});

test('what the server says of all headers is told above the form', async () => {
  await edit(() => refusal('config.headers', 'must be at most 20'));
  await userEvent.click(screen.getByRole('button', { name: 'Save' }));
  expect((await screen.findByRole('alert')).textContent).toContain('Not accepted: must be at most 20');
});

test('in Chinese a refused header is told with its name, too', async () => {
  await showLanguage('zh');
  await edit(() => refusal('config.headers.x-team', 'is needed again'));
  await userEvent.click(screen.getByRole('button', { name: /保\s?存/ }));
  expect((await screen.findByRole('alert')).textContent).toContain('请求头未被接受：x-team: is needed again');
});
