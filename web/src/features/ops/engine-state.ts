/** What the engine says of itself among the status' free-form parts. */
export interface EngineState {
  process: { state: string; restarts: number; last_error?: string | null };
  health?: { loaded: { id: string; active: number; waiting: number }[] } | null;
  models: { id: string; display_name: string; installed: boolean }[];
}

/** The part as the engine's, if it has that form: another version's is shown as plain figures. */
export function engineState(part: unknown): EngineState | undefined {
  if (typeof part !== 'object' || part === null) return undefined;
  const { process, models } = part as Partial<EngineState>;
  return typeof process?.state === 'string' && Array.isArray(models) ? (part as EngineState) : undefined;
}
