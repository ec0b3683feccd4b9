import { useQuery } from '@tanstack/react-query';
import { meQuery } from '@/api/identity';
import { permits } from '@/lib/permissions';

/** Tells whether the signed-in person has a right. */
export function usePermits(): (permission: string) => boolean {
  const { data: me } = useQuery(meQuery);
  return (permission) => permits(me?.permissions ?? [], permission);
}
