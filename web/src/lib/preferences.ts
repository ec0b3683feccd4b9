import { useSyncExternalStore } from 'react';
import { browserLanguage, isLanguage, showLanguage, type Language } from './i18n';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

export interface Preferences {
  language: Language;
  theme: Theme;
}

/** Kept in the browser too, so that the sign-in page already looks right. */
const STORAGE_KEY = 'lyceum.preferences';
const listeners = new Set<() => void>();
let current: Preferences = read();

function isTheme(value: unknown): value is Theme {
  return THEMES.some((theme) => theme === value);
}

function read(): Preferences {
  let stored: Partial<Record<keyof Preferences, unknown>> = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}') as typeof stored;
  } catch {
    // Someone else's text under our key: use the defaults.
  }
  return {
    language: isLanguage(stored.language) ? stored.language : browserLanguage(),
    theme: isTheme(stored.theme) ? stored.theme : 'system',
  };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function getPreferences(): Preferences {
  return current;
}

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribe, getPreferences);
}

/** Applies what is valid of `change` and keeps it in this browser. */
export async function applyPreferences(change: { language?: unknown; theme?: unknown }): Promise<void> {
  const next: Preferences = {
    language: isLanguage(change.language) ? change.language : current.language,
    theme: isTheme(change.theme) ? change.theme : current.theme,
  };
  if (next.language === current.language && next.theme === current.theme) return;
  if (next.language !== current.language) await showLanguage(next.language);
  current = next;
  localStorage.setItem(STORAGE_KEY, JSON.stringify(next));
  for (const listener of listeners) listener();
}

const darkQuery = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : undefined;

function subscribeScheme(listener: () => void): () => void {
  darkQuery?.addEventListener('change', listener);
  return () => darkQuery?.removeEventListener('change', listener);
}

/** Whether to draw dark now: the choice, or the system's where there is none. */
export function useDark(): boolean {
  const systemDark = useSyncExternalStore(subscribeScheme, () => darkQuery?.matches ?? false);
  const { theme } = usePreferences();
  return theme === 'system' ? systemDark : theme === 'dark';
}
