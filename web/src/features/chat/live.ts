import { useCallback, useSyncExternalStore } from 'react';
import { replaceMessage } from '@/api/chat';
import { queryClient } from '@/api/query-client';
import type { Citation, Message, MessageStatus } from '@/api/types';
import { readEvents, type ServerEvent } from '@/lib/sse';

/** What has arrived so far of an answer that the server is still writing. */
export interface Live {
  content: string;
  reasoning: string;
  citations: Citation[];
  status: MessageStatus;
  reconnecting: boolean;
  /** Why the stream could not be followed to its end; the answer itself may go on. */
  lost?: unknown;
}

interface Entry {
  live: Live;
  listeners: Set<() => void>;
  controller: AbortController;
  notifying: boolean;
}

const entries = new Map<string, Entry>();

export function isRunning(message: Message): boolean {
  return message.status === 'pending' || message.status === 'streaming';
}

/** Frames are drawn at most this often, however fast tokens come. */
const NOTIFY_MS = 40;

function update(entry: Entry, change: Partial<Live>): void {
  entry.live = { ...entry.live, ...change };
  if (entry.notifying) return;
  entry.notifying = true;
  setTimeout(() => {
    entry.notifying = false;
    for (const listener of entry.listeners) listener();
  }, NOTIFY_MS);
}

/** The members of all events; each event has its own. */
interface EventData {
  text?: string;
  items?: Citation[];
  status?: MessageStatus;
  message?: Message;
}

/** Applies one event; the pure part, so that it can be tested alone. */
export function applyEvent(live: Live, event: ServerEvent): { live: Live; done?: Message | undefined } {
  const data = JSON.parse(event.data) as EventData;
  const next = { ...live, reconnecting: false };
  switch (event.event) {
    case 'delta':
      return { live: { ...next, status: 'streaming', content: live.content + (data.text ?? '') } };
    case 'reasoning':
      return { live: { ...next, reasoning: live.reasoning + (data.text ?? '') } };
    case 'citations':
      return { live: { ...next, citations: data.items ?? [] } };
    case 'status':
      return { live: { ...next, status: data.status ?? live.status } };
    case 'done':
      return { live: next, done: data.message };
    default:
      return { live: next };
  }
}

function start(message: Message): Entry {
  const entry: Entry = {
    live: {
      content: '',
      reasoning: '',
      citations: message.citations,
      status: message.status,
      reconnecting: false,
    },
    listeners: new Set(),
    controller: new AbortController(),
    notifying: false,
  };
  entries.set(message.id, entry);
  void follow(message.id, entry);
  return entry;
}

async function follow(id: string, entry: Entry): Promise<void> {
  let finished = false;
  try {
    await readEvents({
      path: `/messages/${id}/events`,
      signal: entry.controller.signal,
      isDone: () => finished,
      onReconnect: () => update(entry, { reconnecting: true }),
      onEvent: (event) => {
        const { live, done } = applyEvent(entry.live, event);
        update(entry, live);
        if (done) {
          finished = true;
          settle(done);
        }
      },
    });
  } catch (error) {
    update(entry, { lost: error, reconnecting: false });
  }
}

function settle(message: Message): void {
  replaceMessage(queryClient, message);
  entries.delete(message.id);
  const refresh = () => void queryClient.invalidateQueries({ queryKey: ['conversations'] });
  refresh();
  // The title is written by a job after the first answer.
  setTimeout(refresh, 4000);
  setTimeout(refresh, 15_000);
}

function subscribe(message: Message, listener: () => void): () => void {
  const entry = entries.get(message.id) ?? start(message);
  entry.listeners.add(listener);
  return () => {
    entry.listeners.delete(listener);
    // Left for another page: stop reading, the server goes on writing.
    setTimeout(() => {
      if (entry.listeners.size > 0) return;
      entry.controller.abort();
      if (entries.get(message.id) === entry) entries.delete(message.id);
    }, 500);
  };
}

const nothing = () => () => undefined;

/** Follows a running answer; undefined for one that is finished. */
export function useLive(message: Message): Live | undefined {
  const running = isRunning(message);
  const { id } = message;
  const follow = useCallback(
    (listener: () => void) => subscribe(message, listener),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- one stream per message, whatever else of it changes
    [id],
  );
  return useSyncExternalStore(running ? follow : nothing, () => (running ? entries.get(id)?.live : undefined));
}

/** Starts over after a lost stream. */
export function reconnect(message: Message): void {
  const old = entries.get(message.id);
  if (!old) return;
  const entry = start(message);
  for (const listener of old.listeners) entry.listeners.add(listener);
  old.listeners = entry.listeners;
  update(entry, {});
}
