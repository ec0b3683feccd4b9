/** What the server says of the Redis that nodes share, among the status' free-form parts. */
export interface RedisState {
  address: string;
  health: { version: string; latency_ms: number } | null;
  reason: string | null;
  /** The last command that it refused; a server before this one says nothing of it. */
  refused?: { reason: string; seconds_ago: number } | null;
}

/** How it is: it answers, answers and refuses a command, or is away. */
export function redisMood({ health, refused }: RedisState): 'answers' | 'refuses' | 'away' {
  if (!health) return 'away';
  return refused ? 'refuses' : 'answers';
}

/** The part as Redis', if it has that form: another version's is shown as plain figures. */
export function redisState(part: unknown): RedisState | undefined {
  if (typeof part !== 'object' || part === null) return undefined;
  const { address, health } = part as Partial<RedisState>;
  const known = health === null || typeof health?.latency_ms === 'number';
  return typeof address === 'string' && known ? (part as RedisState) : undefined;
}
