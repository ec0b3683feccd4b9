import { useMutation, useQuery } from '@tanstack/react-query';
import { meQuery, savePreference } from './identity';

export const SEND_KEYS = ['enter', 'ctrl_enter'] as const;

/** How a person begins chats. */
export interface ChatPreference {
  /** The key that sends. */
  send_with: (typeof SEND_KEYS)[number];
  /** What a new chat asks, unless others are chosen. */
  knowledge_base_ids: string[];
}

const KEY = 'chat';

/** What is valid of a stored preference; the rest is as usual. */
export function chatPreference(stored: unknown): ChatPreference {
  const members = (typeof stored === 'object' && stored !== null ? stored : {}) as Partial<Record<keyof ChatPreference, unknown>>;
  const ids: unknown[] = Array.isArray(members.knowledge_base_ids) ? members.knowledge_base_ids : [];
  return {
    send_with: SEND_KEYS.find((key) => key === members.send_with) ?? 'enter',
    knowledge_base_ids: [...new Set(ids.filter((id): id is string => typeof id === 'string'))],
  };
}

export function useChatPreference(): ChatPreference {
  const { data: me } = useQuery(meQuery);
  return chatPreference(me?.preferences[KEY]);
}

export function useSaveChatPreference() {
  return useMutation({ mutationFn: (value: ChatPreference) => savePreference(KEY, value) });
}
