export type Values = Record<string, unknown> | null | undefined;

export interface Change {
  field: string;
  old: unknown;
  now: unknown;
}

/** The fields that differ between two states of a row, by name. */
export function changes(before: Values, after: Values): Change[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...fields]
    .sort()
    .map((field) => ({ field, old: before?.[field], now: after?.[field] }))
    .filter(({ old, now }) => JSON.stringify(old) !== JSON.stringify(now));
}
