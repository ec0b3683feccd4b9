import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import type { OwnQuota } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { nearQuotas } from './near-quotas';
import { QuotaNotice } from './quota-notice';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

const NOW = new Date('2026-11-29T12:00:00Z');

const quota = (used: Record<string, string>, resets_at?: string): OwnQuota => ({
  id: 'q',
  scope: 'group',
  subject_id: 'g',
  label: 'Readers',
  timezone: 'Asia/Shanghai',
  resources: Object.entries(used).map(([resource, amount]) => ({ resource, used: amount, reserved: '0', limit: '1000', resets_at })),
  created_at: '2026-11-01T00:00:00Z',
  updated_at: '2026-11-01T00:00:00Z',
});

test('four fifths are near; what is put away comes back with the next month', () => {
  const november = quota({ tokens: '800', api_calls: '799' }, '2026-11-30T16:00:00Z');
  const near = nearQuotas([november], {}, NOW);
  expect(near.map(({ name, percent }) => [name, percent])).toEqual([['tokens', 80]]);
  const putAway = Object.fromEntries(near.map(({ key, month }) => [key, month]));
  expect(nearQuotas([november], putAway, NOW)).toEqual([]);
  const december = quota({ tokens: '800' }, '2026-12-31T16:00:00Z');
  expect(nearQuotas([december], putAway, NOW)).toHaveLength(1);
});

test('storage, which never starts anew, is told once in a calendar month', () => {
  const [near] = nearQuotas([quota({ storage_bytes: '950' })], {}, NOW);
  expect(near?.month).toBe('2026-11');
});

test('the notice says which, how much and until when, and is put away for good', async () => {
  const saved: unknown[] = [];
  vi.stubGlobal('scrollTo', vi.fn());
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (url.endsWith('/quotas/me')) return Promise.resolve(Response.json({ items: [quota({ tokens: '850' }, '2026-11-30T16:00:00Z')] }));
    if (init.method === 'PUT') saved.push(url, JSON.parse(init.body as string));
    return Promise.resolve(init.method === 'PUT' ? new Response(null, { status: 204 }) : Response.json({ permissions: ['usage:read'], preferences: {} }));
  });
  const routeTree = createRootRoute({ component: QuotaNotice });
  const router = createRouter({ routeTree, history: createMemoryHistory() });
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <RouterProvider router={router as never} />
      </App>
    </QueryClientProvider>,
  );
  const line = await screen.findByRole('listitem');
  // The month ends at midnight in Shanghai.
  expect(line.textContent).toBe('Group Readers · Tokens · 85% used · 850 of 1,000 · Starts anew on Dec 1, 2026');
  expect(screen.getByRole('link', { name: 'See the quotas' }).getAttribute('href')).toBe('/profile?tab=quotas');
  await userEvent.click(screen.getByRole('button', { name: 'Put this notice away' }));
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  expect(saved).toEqual(['/api/v1/me/preferences/quota_notices', { value: { 'q/tokens': '2026-11-30T16:00:00Z' } }]);
});
