import { screen } from '@testing-library/react';
import { expect, test } from 'vitest';
import { usageCallsQuery } from '@/api/gateway';
import { queryClient } from '@/api/query-client';
import type { UsageCall } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { UsageCalls } from './usage-calls';

setUpApp();

const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-31T00:00:00.000Z' };

/** Shows one call for each of these end users; answers with the table, row by row. */
async function show(endUsers: (string | undefined)[]) {
  const items = endUsers.map((end_user, place) => ({
    id: `c${place}`,
    created_at: '2026-01-02T03:04:05Z',
    purpose: 'api',
    model: 'm',
    prompt_tokens: 1,
    completion_tokens: 2,
    latency_ms: 2000,
    status: 'completed',
    end_user,
  })) as UsageCall[];
  queryClient.setQueryData(usageCallsQuery(range).queryKey, { pages: [{ items }], pageParams: [null] });
  renderInApp(<UsageCalls range={range} filter={{}} />);
  const rows = await screen.findAllByRole('row');
  return rows.map((row) => [...row.children].map((cell) => cell.textContent));
}

test('whom programs called for stands in a column of its own as soon as one call says so', async () => {
  const [head, ...rows] = await show(['customer-1', undefined]);
  const place = head?.indexOf('End user') ?? -1;
  expect(place).toBeGreaterThan(0);
  expect(rows.map((row) => row[place])).toEqual(['customer-1', '—']);
});

test('where no call names an end user there is no column of them', async () => {
  const [head, ...rows] = await show([undefined]);
  expect(head).not.toContain('End user');
  expect(rows).toHaveLength(1);
});
