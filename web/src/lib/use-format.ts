import { useMemo } from 'react';
import {
  formatBytes,
  formatCompact,
  formatCost,
  formatDate,
  formatDateTime,
  formatDuration,
  formatExact,
  formatNumber,
  formatRelative,
} from './format';
import { usePreferences } from './preferences';

/** The formatting functions bound to the reader's language. */
export function useFormat() {
  const { language } = usePreferences();
  return useMemo(
    () => ({
      number: (value: number | null | undefined) => (value === null || value === undefined ? '—' : formatNumber(value, language)),
      compact: (value: number) => formatCompact(value, language),
      cost: (value: string | number | null | undefined) => formatCost(value, language),
      bytes: (value: number) => formatBytes(value, language),
      duration: (value: number | null | undefined) => (value === null || value === undefined ? '—' : formatDuration(value, language)),
      date: (value: string, timeZone?: string) => formatDate(value, language, timeZone),
      exact: (value: string) => formatExact(value, language),
      dateTime: (value: string) => formatDateTime(value, language),
      relative: (value: string) => formatRelative(value, language, Date.now()),
    }),
    [language],
  );
}
