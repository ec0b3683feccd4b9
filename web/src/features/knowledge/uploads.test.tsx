import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { uploadDocument } from '@/api/knowledge';
import { endSession } from '@/api/query-client';
import type { KnowledgeDocument } from '@/api/types';
import { dropUploads, useUploads } from './uploads';

vi.mock('@/api/knowledge', () => ({ uploadDocument: vi.fn() }));

interface Sent {
  name: string;
  signal: AbortSignal;
  /** Ends it, well or with an error. */
  end: (error?: Error) => Promise<void>;
}

let sent: Sent[] = [];

beforeEach(() => {
  sent = [];
  vi.mocked(uploadDocument).mockImplementation(
    (_base, file, _onProgress, signal) =>
      new Promise((resolve, reject) => {
        const end = (error?: Error) =>
          act(async () => {
            if (error) reject(error);
            else resolve({} as KnowledgeDocument);
            // Until all that follows from it has run.
            await new Promise((done) => setTimeout(done));
          });
        sent.push({ name: file.name, signal, end });
      }),
  );
});

afterEach(() => endSession());

const REFUSED = new Error('No');
const files = (...names: string[]) => names.map((name) => new File(['x'], name));
const names = () => sent.map(({ name }) => name);
const asks = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));

test('what waits is sent although the page was left, and is seen again on coming back', async () => {
  const first = renderHook(() => useUploads('a'));
  act(() => first.result.current.add(files('1', '2', '3', '4', '5')));
  first.unmount();
  expect(names()).toEqual(['1', '2', '3']);
  await sent[0]?.end();
  await sent[1]?.end(REFUSED);
  expect(names()).toEqual(['1', '2', '3', '4', '5']);
  const back = renderHook(() => useUploads('a'));
  const states = back.result.current.items.map(({ file, state }) => `${file.name} ${state}`);
  expect(states).toEqual(['2 failed', '3 sending', '4 sending', '5 sending']);
});

test('a base has its own files, and the number sent at once is that of all', () => {
  const one = renderHook(() => useUploads('a'));
  const other = renderHook(() => useUploads('b'));
  act(() => one.result.current.add(files('1', '2')));
  act(() => other.result.current.add(files('3', '4')));
  expect(other.result.current.items.map(({ state }) => state)).toEqual(['sending', 'waiting']);
  act(() => dropUploads('a'));
  expect(sent[0]?.signal.aborted).toBe(true);
  expect(one.result.current.items).toEqual([]);
  expect(names()).toEqual(['1', '2', '3', '4']);
});

test('the browser asks before it loses a file, but not for one that was refused', async () => {
  const { result } = renderHook(() => useUploads('a'));
  expect(asks()).toBe(false);
  act(() => result.current.add(files('1')));
  expect(asks()).toBe(true);
  await sent[0]?.end(REFUSED);
  expect(asks()).toBe(false);
  act(() => result.current.retry(result.current.items[0]?.key ?? ''));
  expect(asks()).toBe(true);
});

test('nothing is sent for who comes next', () => {
  const { result } = renderHook(() => useUploads('a'));
  act(() => result.current.add(files('1', '2', '3', '4')));
  endSession();
  expect(sent.map(({ signal }) => signal.aborted)).toEqual([true, true, true]);
  expect(renderHook(() => useUploads('a')).result.current.items).toEqual([]);
  expect(asks()).toBe(false);
});
