import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me, Model } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { ModelMenu } from './model-menu';

setUpApp();

/** What can be done with a model by somebody who manages the organisation's providers. */
async function offered(more: Partial<Model>) {
  queryClient.setQueryData(meQuery.queryKey, {
    permissions: ['model:write', 'organization_provider:manage'],
    preferences: {},
  } as unknown as Me);
  const model = {
    id: 'm',
    name: 'Large',
    provider: 'openai',
    scope: 'organization',
    editable: true,
    is_active: true,
    available: true,
    is_default: false,
    is_organization_default: false,
    ...more,
  } as Model;
  renderInApp(<ModelMenu model={model} onPrices={vi.fn()} />);
  await userEvent.click(screen.getByRole('button'));
  await screen.findByText('Prices');
  return screen.getAllByRole('menuitem', { hidden: true }).map((item) => item.textContent);
}

test('a model that works can be made the default of its user and of all', async () => {
  const items = await offered({});
  expect(items).toContain('Use as my default');
  expect(items).toContain("Make it the organisation's default");
});

test('one that its manager may not use is not offered as their own default', async () => {
  const items = await offered({ available: false });
  expect(items).not.toContain('Use as my default');
  expect(items).toContain("Make it the organisation's default");
});

test('one that is switched off is offered as a default to nobody', async () => {
  const items = await offered({ available: false, is_active: false });
  expect(items).not.toContain('Use as my default');
  expect(items).not.toContain("Make it the organisation's default");
});

test('a default that was switched off can be taken back', async () => {
  const items = await offered({ available: false, is_active: false, is_organization_default: true });
  expect(items).toContain("No longer the organisation's default");
});
