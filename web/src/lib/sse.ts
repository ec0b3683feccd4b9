import { send } from './http';
import { ApiProblem } from './problem';

export interface ServerEvent {
  id: string | undefined;
  event: string;
  data: string;
}

/** Splits a byte stream into events as the HTML standard says; comments are skipped. */
export class EventParser {
  private buffer = '';
  private id: string | undefined;
  private type = '';
  private data: string[] = [];

  push(text: string): ServerEvent[] {
    this.buffer += text;
    const events: ServerEvent[] = [];
    for (;;) {
      const match = /\r\n|\n|\r/.exec(this.buffer);
      // A lone CR at the end may be the first half of CRLF.
      if (!match || (match[0] === '\r' && match.index === this.buffer.length - 1)) return events;
      const line = this.buffer.slice(0, match.index);
      this.buffer = this.buffer.slice(match.index + match[0].length);
      if (line === '') this.dispatch(events);
      else this.field(line);
    }
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.data.push(value);
    else if (name === 'event') this.type = value;
    else if (name === 'id') this.id = value;
  }

  private dispatch(events: ServerEvent[]): void {
    if (this.data.length > 0) {
      events.push({ id: this.id, event: this.type || 'message', data: this.data.join('\n') });
    }
    this.data = [];
    this.type = '';
  }
}

export interface EventStreamOptions {
  path: string;
  signal: AbortSignal;
  onEvent: (event: ServerEvent) => void;
  /** True once the last event has been seen: the stream's end is then no fault. */
  isDone: () => boolean;
  onReconnect?: (attempt: number) => void;
}

/** Tries before a silent server is reported. */
const MAX_ATTEMPTS = 8;

/** Reads until done, and resumes after a lost connection from the last event seen. */
export async function readEvents(options: EventStreamOptions): Promise<void> {
  let lastId: string | undefined;
  let attempt = 0;
  const aborted = () => options.signal.aborted;
  while (!aborted() && !options.isDone()) {
    try {
      await readOnce(options, lastId, (event) => {
        attempt = 0;
        lastId = event.id ?? lastId;
        options.onEvent(event);
      });
      if (options.isDone()) return;
    } catch (error) {
      if (aborted()) return;
      if (error instanceof ApiProblem && error.status >= 400 && error.status < 500) throw error;
      if (attempt >= MAX_ATTEMPTS) throw error;
    }
    attempt += 1;
    if (attempt > MAX_ATTEMPTS) throw new ApiProblem(0, 'stream_lost', 'The stream ended early.');
    options.onReconnect?.(attempt);
    await pause(Math.min(250 * 2 ** (attempt - 1), 8000), options.signal);
  }
}

async function readOnce(
  { path, signal }: EventStreamOptions,
  lastId: string | undefined,
  onEvent: (event: ServerEvent) => void,
): Promise<void> {
  const response = await send(path, {
    signal,
    headers: { Accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'Last-Event-ID': lastId }) },
  });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of parser.push(value)) onEvent(event);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
