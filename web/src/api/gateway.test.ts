import { QueryClient } from '@tanstack/react-query';
import { afterEach, expect, test, vi } from 'vitest';
import { modelsQuery, providersQuery } from './gateway';

afterEach(() => vi.unstubAllGlobals());

test('lists that come whole are asked for without parameters, which the server would refuse', async () => {
  const asked: string[] = [];
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url);
    return Promise.resolve(Response.json({ items: [] }));
  });
  const client = new QueryClient();
  await client.query({ ...providersQuery, staleTime: 0 });
  await client.query({ ...modelsQuery, staleTime: 0 });
  expect(asked).toEqual(['/api/v1/providers', '/api/v1/models']);
});
