import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { uploadDocument } from '@/api/knowledge';

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

/** Sends files to a base, a few at a time. A finished one leaves the list: it is a document then. */
export function useUploads(base: string | undefined) {
  const client = useQueryClient();
  const [items, setItems] = useState<UploadItem[]>([]);
  const controllers = useRef(new Map<string, AbortController>());

  const change = useCallback((key: string, part: Partial<UploadItem>) => {
    setItems((all) => all.map((item) => (item.key === key ? { ...item, ...part } : item)));
  }, []);
  const remove = useCallback((key: string) => {
    controllers.current.get(key)?.abort();
    controllers.current.delete(key);
    setItems((all) => all.filter((item) => item.key !== key));
  }, []);

  const run = useCallback(
    async (target: string, { key, file }: UploadItem) => {
      const controller = new AbortController();
      controllers.current.set(key, controller);
      change(key, { state: 'sending', share: 0, error: undefined });
      try {
        await uploadDocument(target, file, (share) => change(key, { share }), controller.signal);
        await client.invalidateQueries({ queryKey: ['documents', target] });
        void client.invalidateQueries({ queryKey: ['knowledge-bases'] });
        remove(key);
      } catch (error) {
        if (!controller.signal.aborted) change(key, { state: 'failed', error });
      }
    },
    [change, client, remove],
  );

  useEffect(() => {
    if (!base) return;
    const free = PARALLEL - items.filter((item) => item.state === 'sending').length;
    for (const item of items.filter(({ state }) => state === 'waiting').slice(0, Math.max(0, free))) {
      if (!controllers.current.has(item.key)) void run(base, item);
    }
  }, [base, items, run]);

  // A file that is still being sent is lost with the page: let the browser ask.
  const sending = items.some((item) => item.state !== 'failed');
  useEffect(() => {
    if (!sending) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [sending]);

  return {
    items,
    sending,
    add: useCallback((files: File[]) => {
      setItems((all) => [
        ...all,
        ...files.map((file): UploadItem => ({ key: `${Date.now()}-${Math.random()}`, file, share: 0, state: 'waiting' })),
      ]);
    }, []),
    retry: useCallback(
      (key: string) => {
        controllers.current.delete(key);
        change(key, { state: 'waiting' });
      },
      [change],
    ),
    remove,
  };
}
