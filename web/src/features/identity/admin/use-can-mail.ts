import { useQuery } from '@tanstack/react-query';
import { canMailQuery } from '@/api/people';

/** Whether the platform sends e-mail. */
export function useCanMail(): boolean {
  return useQuery(canMailQuery).data ?? false;
}
