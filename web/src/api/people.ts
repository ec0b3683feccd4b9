import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import type { AssignedRole, CreatedInvitation, Group, GroupMember, Invitation, MadeLink, Page, User } from './types';

/** The most rows that one answer holds. */
const MOST = 200;

const paged = {
  initialPageParam: null as string | null,
  getNextPageParam: (page: { next_cursor?: string | null }) => page.next_cursor ?? null,
};

export interface UserFilter {
  q?: string;
  deleted?: boolean;
}

export const usersQuery = (filter: UserFilter) =>
  infiniteQueryOptions({
    queryKey: ['users', 'list', filter],
    queryFn: ({ pageParam, signal }) =>
      request<Page<User>>('/users', { signal, query: { ...filter, cursor: pageParam } }),
    ...paged,
  });

/** The first people that fit, to choose from. */
export const findUsersQuery = (q: string) =>
  queryOptions({
    queryKey: ['users', 'find', q],
    queryFn: ({ signal }) => request<Page<User>>('/users', { signal, query: { q, limit: 20 } }),
    placeholderData: (before) => before,
  });

export const userQuery = (id: string) =>
  queryOptions({
    queryKey: ['users', 'one', id],
    queryFn: ({ signal }) => request<User>(`/users/${id}`, { signal }),
  });

export const userRolesQuery = (id: string) =>
  queryOptions({
    queryKey: ['users', 'roles', id],
    queryFn: ({ signal }) => request<{ items: AssignedRole[] }>(`/users/${id}/roles`, { signal }),
  });

async function all<T>(path: string, signal: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await request<Page<T>>(path, { signal, query: { limit: MOST, cursor } });
    items.push(...page.items);
    cursor = page.next_cursor ?? null;
  } while (cursor);
  return items;
}

export const allGroupsQuery = queryOptions({
  queryKey: ['groups', 'all'],
  queryFn: ({ signal }) => all<Group>('/groups', signal),
});

/** The groups that a person is in. */
export const userGroupsQuery = (id: string) =>
  queryOptions({
    queryKey: ['groups', 'of', id],
    queryFn: ({ signal }) => all<Group>(`/users/${id}/groups`, signal),
  });

/** A change after which what begins with these keys is asked for again. */
function useChange<Input, Answer = unknown>(act: (input: Input) => Promise<Answer>, ...keys: string[]) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: () => Promise.all(keys.map((key) => client.invalidateQueries({ queryKey: [key] }))),
  });
}

export interface NewUser {
  username: string;
  email: string;
  password: string;
  display_name?: string;
  roles: string[];
}

export type UserChange = Partial<
  Record<'status' | 'display_name' | 'first_name' | 'last_name' | 'organization' | 'department' | 'position', string>
>;

export const useCreateUser = () =>
  useChange((body: NewUser) => request<User>('/users', { method: 'POST', body }), 'users');

export const useUpdateUser = () =>
  useChange(
    ({ id, ...body }: UserChange & { id: string }) => request<User>(`/users/${id}`, { method: 'PATCH', body }),
    'users',
  );

export const useDeleteUser = () =>
  useChange((id: string) => request(`/users/${id}`, { method: 'DELETE' }), 'users', 'groups');

export const useRestoreUser = () =>
  useChange((id: string) => request<User>(`/users/${id}/restore`, { method: 'POST' }), 'users', 'groups');

export const useSetUserRole = () =>
  useChange(
    ({ id, role, has }: { id: string; role: string; has: boolean }) =>
      request(`/users/${id}/roles/${role}`, { method: has ? 'PUT' : 'DELETE' }),
    'users',
    'roles',
    'me',
  );

export const useMakeLink = () =>
  useChange(({ id, kind }: { id: string; kind: 'password-reset' | 'email-verification' }) =>
    request<MadeLink>(`/users/${id}/${kind}`, { method: 'POST' }),
  );

export const useResetSecondFactors = () =>
  useChange((id: string) => request(`/users/${id}/second-factors`, { method: 'DELETE' }), 'users');

export const invitationsQuery = infiniteQueryOptions({
  queryKey: ['invitations'],
  queryFn: ({ pageParam, signal }) =>
    request<Page<Invitation>>('/invitations', { signal, query: { cursor: pageParam } }),
  ...paged,
});

export interface NewInvitation {
  email?: string;
  roles?: string[];
  groups?: string[];
  expires_in_days: number;
  send?: boolean;
  language?: string;
}

export const useInvite = () =>
  useChange(
    (body: NewInvitation) => request<CreatedInvitation>('/invitations', { method: 'POST', body }),
    'invitations',
  );

export const useRevokeInvitation = () =>
  useChange((id: string) => request(`/invitations/${id}`, { method: 'DELETE' }), 'invitations');

export const groupsQuery = infiniteQueryOptions({
  queryKey: ['groups', 'list'],
  queryFn: ({ pageParam, signal }) => request<Page<Group>>('/groups', { signal, query: { cursor: pageParam } }),
  ...paged,
});

export const membersQuery = (group: string) =>
  infiniteQueryOptions({
    queryKey: ['groups', 'members', group],
    queryFn: ({ pageParam, signal }) =>
      request<Page<GroupMember>>(`/groups/${group}/members`, { signal, query: { cursor: pageParam } }),
    ...paged,
  });

export const useSaveGroup = () =>
  useChange(
    ({ id, ...body }: { id?: string; name: string; description?: string }) =>
      id
        ? request<Group>(`/groups/${id}`, { method: 'PATCH', body })
        : request<Group>('/groups', { method: 'POST', body }),
    'groups',
  );

export const useDeleteGroup = () =>
  useChange((id: string) => request(`/groups/${id}`, { method: 'DELETE' }), 'groups');

export const useSetMember = () =>
  useChange(
    ({ group, user, member }: { group: string; user: string; member: boolean }) =>
      request(`/groups/${group}/members/${user}`, { method: member ? 'PUT' : 'DELETE' }),
    'groups',
  );

export const canMailQuery = queryOptions({
  queryKey: ['can-mail'],
  queryFn: async ({ signal }) =>
    (await request<{ sends_mail: boolean }>('/auth/registration', { signal })).sends_mail,
});
