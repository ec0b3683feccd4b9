/** What the server says of the Redis that nodes share, among the status' free-form parts. */
export interface RedisState {
  address: string;
  health: { version: string; latency_ms: number } | null;
  reason: string | null;
}

/** The part as Redis', if it has that form: another version's is shown as plain figures. */
export function redisState(part: unknown): RedisState | undefined {
  if (typeof part !== 'object' || part === null) return undefined;
  const { address, health } = part as Partial<RedisState>;
  const known = health === null || typeof health?.latency_ms === 'number';
  return typeof address === 'string' && known ? (part as RedisState) : undefined;
}
