import { ApiProblem, networkProblem, problemFrom } from './problem';

const BASE = '/api/v1';
/** Marks requests of this app: another site can't set it, so it can't forge one. */
export const CLIENT_HEADER = { 'X-Lyceum-Client': 'web' } as const;
const REFRESHED_AT = 'lyceum.refreshed-at';

type QueryValue = string | number | boolean | null | undefined;
export type Query = Record<string, QueryValue>;

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: Query;
  /** Sent as JSON; a file as it is. */
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** Off for the calls that sign in, where 401 is the answer itself. */
  refresh?: boolean;
}

let signedOut: () => void = () => undefined;

/** What happens when the session is over; set once by the app. */
export function onSignedOut(handler: () => void): void {
  signedOut = handler;
}

export function apiUrl(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value));
  }
  const text = search.toString();
  return `${BASE}${path}${text ? `?${text}` : ''}`;
}

let refreshing: Promise<boolean> | undefined;

/**
 * One refresh at a time, in all tabs: a refresh token is used once, and using it
 * twice would end the session.
 */
export function refreshSession(): Promise<boolean> {
  refreshing ??= exclusively(rotate).finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function exclusively(work: (startedAt: number) => Promise<boolean>): Promise<boolean> {
  const startedAt = Date.now();
  if (!('locks' in navigator)) return work(startedAt);
  return navigator.locks.request('lyceum-refresh', () => work(startedAt));
}

async function rotate(startedAt: number): Promise<boolean> {
  // Another tab was first while this one waited: its cookies are ours too.
  if (Number(localStorage.getItem(REFRESHED_AT)) > startedAt) return true;
  const response = await fetch(apiUrl('/auth/refresh'), { method: 'POST', headers: CLIENT_HEADER });
  if (response.ok) localStorage.setItem(REFRESHED_AT, String(Date.now()));
  else if (response.status >= 500) throw await problemFrom(response);
  return response.ok;
}

/** Sends with cookies; on 401 refreshes once and sends again, else signs out. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const { method = 'GET', query, body, signal, headers, refresh = true } = options;
  const file = body instanceof Blob;
  const init: RequestInit = {
    method,
    signal: signal ?? null,
    credentials: 'same-origin',
    headers: {
      ...(method === 'GET' ? {} : CLIENT_HEADER),
      ...(body === undefined ? {} : { 'Content-Type': file ? 'application/octet-stream' : 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: file ? body : JSON.stringify(body) }),
  };
  const attempt = () => reach(apiUrl(path, query), init);
  let response = await attempt();
  if (response.status === 401 && refresh) {
    if (await refreshSession()) response = await attempt();
    if (response.status === 401) signedOut();
  }
  if (!response.ok) throw await problemFrom(response);
  return response;
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw networkProblem(cause);
  }
}

export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiProblem && error.status === status;
}
