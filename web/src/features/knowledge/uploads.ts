import { useSyncExternalStore } from 'react';
import { uploadDocument } from '@/api/knowledge';
import { onSessionEnd, queryClient } from '@/api/query-client';

export interface UploadItem {
  key: string;
  file: File;
  /** Share of the bytes sent, 0 to 1. */
  share: number;
  state: 'waiting' | 'sending' | 'failed';
  error?: unknown;
}

/** Files sent at once; more would only wait for each other. */
const PARALLEL = 3;

/** The files of each base that are not documents yet. They outlive the pages that show them. */
const queues = new Map<string, UploadItem[]>();
const controllers = new Map<string, AbortController>();
const listeners = new Set<() => void>();
const NONE: UploadItem[] = [];
let lastKey = 0;

const queueOf = (base: string) => queues.get(base) ?? NONE;
const warn = (event: BeforeUnloadEvent) => event.preventDefault();

function put(base: string, items: UploadItem[]): void {
  if (items.length > 0) queues.set(base, items);
  else queues.delete(base);
  // A file that is not sent yet is lost with the window: let the browser ask.
  if ([...queues.values()].flat().some(({ state }) => state !== 'failed')) window.addEventListener('beforeunload', warn);
  else window.removeEventListener('beforeunload', warn);
  for (const listener of listeners) listener();
}

function change(base: string, key: string, part: Partial<UploadItem>): void {
  put(base, queueOf(base).map((item) => (item.key === key ? { ...item, ...part } : item)));
}

/** Sends as many of those that wait as may be sent now. */
function advance(): void {
  const all = [...queues].flatMap(([base, items]) => items.map((item) => ({ base, item })));
  const free = PARALLEL - all.filter(({ item }) => item.state === 'sending').length;
  const waiting = all.filter(({ item }) => item.state === 'waiting');
  for (const { base, item } of waiting.slice(0, Math.max(0, free))) void send(base, item);
}

async function send(base: string, { key, file }: UploadItem): Promise<void> {
  const controller = new AbortController();
  controllers.set(key, controller);
  change(base, key, { state: 'sending', share: 0, error: undefined });
  try {
    await uploadDocument(base, file, (share) => change(base, key, { share }), controller.signal);
    await queryClient.invalidateQueries({ queryKey: ['documents', base] });
    void queryClient.invalidateQueries({ queryKey: ['knowledge-bases'] });
    remove(base, key);
  } catch (error) {
    if (controller.signal.aborted) return;
    change(base, key, { state: 'failed', error });
    advance();
  }
}

function add(base: string, files: File[]): void {
  const added = files.map((file): UploadItem => ({ key: String((lastKey += 1)), file, share: 0, state: 'waiting' }));
  put(base, [...queueOf(base), ...added]);
  advance();
}

function retry(base: string, key: string): void {
  change(base, key, { state: 'waiting' });
  advance();
}

function stop(key: string): void {
  controllers.get(key)?.abort();
  controllers.delete(key);
}

function remove(base: string, key: string): void {
  stop(key);
  put(base, queueOf(base).filter((item) => item.key !== key));
  advance();
}

/** Ends all uploads to a base, as when it is deleted. */
export function dropUploads(base: string): void {
  for (const { key } of queueOf(base)) stop(key);
  put(base, NONE);
  advance();
}

// No page is told: it goes with the session, and to draw it again would be to ask for its data again.
onSessionEnd(() => {
  for (const key of controllers.keys()) stop(key);
  queues.clear();
  window.removeEventListener('beforeunload', warn);
});

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Sends files to a base, a few at a time, and goes on when the page is left. A finished one leaves
 * the list: it is a document then.
 */
export function useUploads(base: string) {
  return {
    items: useSyncExternalStore(subscribe, () => queueOf(base)),
    add: (files: File[]) => add(base, files),
    retry: (key: string) => retry(base, key),
    remove: (key: string) => remove(base, key),
  };
}
