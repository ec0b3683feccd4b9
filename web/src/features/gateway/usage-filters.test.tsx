import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { usageSummaryQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me, UsageSummary } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { NOTHING } from './usage-data';
import { UsageFilters } from './usage-filters';

setUpApp();

const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-31T00:00:00.000Z' };

test('calls can be picked by those of the end users who have some', async () => {
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences: {} } as unknown as Me);
  const items = ['', 'customer-1'].map((key) => ({ ...NOTHING, key, calls: 1 }));
  const summary: UsageSummary = { items, total: { ...NOTHING, key: 'total', calls: 2 } };
  queryClient.setQueryData(usageSummaryQuery(range, 'end_user').queryKey, summary);
  const onChange = vi.fn();
  renderInApp(<UsageFilters range={range} filter={{}} onChange={onChange} />);
  await userEvent.click(screen.getByRole('combobox', { name: 'End user' }));
  expect(await screen.findByTitle('customer-1')).toBeDefined();
  expect(screen.queryByTitle('Without an end user')).toBeNull();
  await userEvent.keyboard('{Enter}');
  expect(onChange).toHaveBeenCalledWith({ end_user: 'customer-1' });
});
