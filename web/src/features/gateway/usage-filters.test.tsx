import { renderHook, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { usageSummaryQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me, UsageSummary } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { NOTHING } from './usage-data';
import { useGroupHint } from './usage-dimensions';
import { UsageFilters } from './usage-filters';

setUpApp();

const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-31T00:00:00.000Z' };

/** Shows the filters where these have calls; answers with what is picked. */
async function show(keys: string[]) {
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences: {} } as unknown as Me);
  const items = keys.map((key) => ({ ...NOTHING, key, calls: 1 }));
  const summary: UsageSummary = { items, total: { ...NOTHING, key: 'total', calls: keys.length } };
  queryClient.setQueryData(usageSummaryQuery(range, 'end_user').queryKey, summary);
  const onChange = vi.fn();
  renderInApp(<UsageFilters range={range} filter={{}} onChange={onChange} />);
  await userEvent.click(screen.getByRole('combobox', { name: 'End user' }));
  return onChange;
}

const customers = (count: number) => Array.from({ length: count }, (_, place) => `customer-${place + 1}`);

test('calls can be picked by those of the end users who have some', async () => {
  const onChange = await show(['', ...customers(1)]);
  const offered = await screen.findByTitle('customer-1');
  expect(screen.queryByTitle('Without an end user')).toBeNull();
  await userEvent.click(offered);
  expect(onChange).toHaveBeenCalledWith({ end_user: 'customer-1' });
});

test('an end user beyond those whom the server names can be typed', async () => {
  const onChange = await show(customers(1000));
  await userEvent.keyboard(' somebody else ');
  await userEvent.click(await screen.findByTitle('somebody else'));
  expect(onChange).toHaveBeenCalledWith({ end_user: 'somebody else' });
});

test('an end user whom the server names is offered once', async () => {
  await show(customers(1000));
  await userEvent.keyboard('customer-1000');
  expect(await screen.findAllByTitle('customer-1000')).toHaveLength(1);
});

test('where all are named nobody else is offered', async () => {
  await show(customers(3));
  await userEvent.keyboard('somebody');
  expect(await screen.findByText('Nothing found')).toBeDefined();
  expect(screen.queryByTitle('somebody')).toBeNull();
});

test('that not all end users are shown is told once there are so many', () => {
  const hint = (count: number) => renderHook(() => useGroupHint('end_user', count)).result.current;
  expect(hint(999)).not.toMatch('1,000');
  expect(hint(1000)).toMatch(/The 1,000 with the most calls are shown\.$/);
});
