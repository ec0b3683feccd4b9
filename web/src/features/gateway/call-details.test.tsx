import { screen } from '@testing-library/react';
import { expect, test } from 'vitest';
import { usageCallQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me, UsageCall } from '@/api/types';
import { renderInApp, setUpApp } from '@/components/test-app';
import { CallDetails } from './call-details';

setUpApp();

/** Shows a call that failed for this reason. */
function show(code: string, more: Partial<UsageCall> = {}) {
  queryClient.setQueryData(meQuery.queryKey, { permissions: [], preferences: {} } as unknown as Me);
  queryClient.setQueryData(usageCallQuery('c').queryKey, {
    id: 'c',
    created_at: '2026-01-02T03:04:05Z',
    purpose: 'chat',
    provider: 'openai',
    model: 'm',
    requested_model: 'm',
    attempt: 1,
    status: 'failed',
    error_code: code,
    estimated: true,
    latency_ms: 2000,
    request_id: 'r',
    ...more,
  } as UsageCall);
  renderInApp(<CallDetails id="c" />);
}

test('a call that was cut off says so in words, in English, too, and promises no text', async () => {
  show('interrupted');
  const words = (await screen.findByRole('alert')).textContent;
  expect(words).toContain('The program was stopped');
  expect(words).not.toContain('kept');
});

test('a reason that the page does not know is shown as it is', async () => {
  show('of_tomorrow');
  expect((await screen.findByRole('alert')).textContent).toContain('of_tomorrow');
});

test('whom a program called for is shown where it said so', async () => {
  show('of_tomorrow', { end_user: 'customer-1' });
  const label = await screen.findByText('End user');
  expect(label.closest('tr')?.textContent).toContain('customer-1');
});

test('nothing is said of an end user where there is none', async () => {
  show('of_tomorrow');
  await screen.findByRole('alert');
  expect(screen.queryByText('End user')).toBeNull();
});
