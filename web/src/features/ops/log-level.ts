import { useTranslation } from 'react-i18next';

/** The levels that are kept. */
export const LEVELS = ['WARNING', 'ERROR'] as const;

export const levelStatus = (level: string): 'warning' | 'error' => (level === 'WARNING' ? 'warning' : 'error');

/** Words for a level; one that came later shows its own name. */
export function useLevelText(): (level: string) => string {
  const { t } = useTranslation();
  return (level) => t(`logs.levels.${level as 'ERROR'}`, { defaultValue: level });
}
