import type { FallbackCause, ModelRouteScope, RouteSettings, RouteTargetInput } from '@/api/types';

export const CAUSES = ['error', 'timeout', 'rate_limit', 'context_length', 'content_policy'] as const satisfies readonly FallbackCause[];

/** The times among the settings, which people read in seconds. */
const TIMES = [
  'backoff_ms',
  'wait_budget_ms',
  'first_token_timeout_ms',
  'answer_timeout_ms',
  'window_ms',
  'cooldown_ms',
] as const satisfies readonly (keyof RouteSettings)[];

export type TimeName = (typeof TIMES)[number];

export interface RouteValues {
  name: string;
  description?: string;
  scope?: ModelRouteScope;
  is_active?: boolean;
  targets: (Partial<RouteTargetInput> | undefined)[];
  /** As the API has them, but times in seconds. */
  settings: RouteSettings;
}

/** What the server takes where nothing is said. */
const USUAL: RouteSettings = {
  retries: 1,
  backoff_ms: 250,
  wait_budget_ms: 5000,
  failure_percent: 50,
  min_calls: 5,
  window_ms: 60_000,
  cooldown_ms: 30_000,
  fallback_on: [...CAUSES],
};

function scaled(settings: RouteSettings, scale: (time: number) => number): RouteSettings {
  const times = TIMES.flatMap((name) => {
    const value = settings[name];
    return value == null ? [] : [[name, scale(value)] as const];
  });
  const others = Object.entries(settings).filter(([name, value]) => value != null && !TIMES.includes(name as TimeName));
  return Object.fromEntries([...others, ...times]);
}

export const fromSettings = (settings: RouteSettings | undefined): RouteSettings =>
  scaled(settings ?? USUAL, (time) => time / 1000);

export const toSettings = (settings: RouteSettings): RouteSettings =>
  scaled(settings, (time) => Math.round(time * 1000));

export function toTargets(rows: RouteValues['targets']): RouteTargetInput[] {
  return rows.flatMap((row) =>
    row?.model_config_id
      ? [
          {
            model_config_id: row.model_config_id,
            priority: row.priority ?? 1,
            weight: row.weight ?? 1,
            ...(row.tools == null ? {} : { tools: row.tools }),
            ...(row.images == null ? {} : { images: row.images }),
          },
        ]
      : [],
  );
}
