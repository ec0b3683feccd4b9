import { useEffect, useState } from 'react';
import type { LiveView } from '@/api/types';
import { readEvents } from '@/lib/sse';

export type Link = 'connecting' | 'connected' | 'reconnecting';

/** What runs on the server, kept up to date as long as somebody looks. */
export function useLive() {
  const [view, setView] = useState<LiveView>();
  const [link, setLink] = useState<Link>('connecting');
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    const gone = new AbortController();
    void readEvents({
      path: '/live/events',
      signal: gone.signal,
      isDone: () => false,
      onReconnect: () => setLink('reconnecting'),
      onEvent: ({ event, data }) => {
        if (event !== 'live') return;
        setView(JSON.parse(data) as LiveView);
        setLink('connected');
      },
    }).catch((failure: unknown) => setError(failure));
    return () => gone.abort();
  }, [round]);
  const retry = () => {
    setError(undefined);
    setLink('connecting');
    setRound((before) => before + 1);
  };
  return { view, link, error, retry };
}
