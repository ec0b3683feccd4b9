import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { apiUrl, onSignedOut, request } from './http';

const signedOut = vi.fn();

beforeEach(() => {
  localStorage.clear();
  signedOut.mockClear();
  onSignedOut(signedOut);
});
afterEach(() => vi.unstubAllGlobals());

/** A server whose access cookie has run out, and that refreshes it or not. */
function server(refreshes: boolean) {
  let fresh = false;
  const calls: string[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    calls.push(`${init.method} ${url}`);
    if (url.endsWith('/auth/refresh')) {
      fresh = refreshes;
      return Promise.resolve(new Response(null, { status: refreshes ? 204 : 401 }));
    }
    const body = fresh ? '{"ok":true}' : '{"code":"unauthenticated","detail":"Sign in."}';
    return Promise.resolve(new Response(body, { status: fresh ? 200 : 401 }));
  });
  return calls;
}

test('many requests share one refresh, then all succeed', async () => {
  const calls = server(true);
  const answers = await Promise.all([request('/me'), request('/models'), request('/usage')]);
  expect(answers).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
  expect(calls.filter((call) => call.includes('refresh'))).toHaveLength(1);
  expect(signedOut).not.toHaveBeenCalled();
});

test('a session that is over signs out and reports the problem', async () => {
  server(false);
  await expect(request('/me')).rejects.toMatchObject({ status: 401, code: 'unauthenticated' });
  expect(signedOut).toHaveBeenCalledOnce();
});

test('signing in does not refresh', async () => {
  const calls = server(true);
  await expect(request('/auth/sign-in', { method: 'POST', refresh: false })).rejects.toMatchObject({ status: 401 });
  expect(calls).toEqual(['POST /api/v1/auth/sign-in']);
});

test('unsafe methods carry the client header, safe ones do not', async () => {
  const seen: (string | null)[] = [];
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    seen.push(new Headers(init.headers).get('X-Lyceum-Client'));
    return Promise.resolve(new Response('{}'));
  });
  await request('/me');
  await request('/conversations', { method: 'POST', body: {} });
  expect(seen).toEqual([null, 'web']);
});

test('a failure that is no problem document keeps its status', async () => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('<html>Bad gateway</html>', { status: 502 })));
  await expect(request('/me')).rejects.toMatchObject({ status: 502, code: 'http_502' });
});

test('an unreachable server is a problem of its own', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
  await expect(request('/me')).rejects.toMatchObject({ status: 0, code: 'network' });
});

test('empty query values are left out', () => {
  expect(apiUrl('/x', { a: 1, b: null, c: undefined, d: '', e: 'é&' })).toBe('/api/v1/x?a=1&e=%C3%A9%26');
});
