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
