import { afterEach, expect, test, vi } from 'vitest';
import { meQuery, savePreference } from './identity';
import { endSession, queryClient } from './query-client';
import type { Me } from './types';

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

test('a preference that is saved is known without asking the server', async () => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(null, { status: 204 })));
  queryClient.setQueryData(meQuery.queryKey, { preferences: { language: 'zh', theme: 'dark' } } as unknown as Me);
  await savePreference('theme', 'light');
  expect(queryClient.getQueryData(meQuery.queryKey)?.preferences).toEqual({ language: 'zh', theme: 'light' });
});
