import { QueryClient } from '@tanstack/react-query';
import { ApiProblem } from '@/lib/problem';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: false,
      // Faults that may pass are tried again; an answer of the server is an answer.
      retry: (count, error) => count < 2 && error instanceof ApiProblem && (error.status === 0 || error.status >= 502),
    },
  },
});

const endings = new Set<() => void>();

/** Has `forget` run whenever a session is over. */
export function onSessionEnd(forget: () => void): void {
  endings.add(forget);
}

/** Forgets everything that belongs to the person who was signed in. */
export function endSession(): void {
  queryClient.clear();
  for (const forget of endings) forget();
}
