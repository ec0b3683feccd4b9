import { useRouterState } from '@tanstack/react-router';

/** A one-time token stands behind `#name=`, where no server and no log sees it. */
export function useHashToken(name: string): string | undefined {
  const hash = useRouterState({ select: (state) => state.location.hash });
  return new URLSearchParams(hash.replace(/^#/, '')).get(name) ?? undefined;
}
