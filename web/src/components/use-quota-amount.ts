import { useTranslation } from 'react-i18next';
import { useFormat } from '@/lib/use-format';

const RESOURCES = ['api_calls', 'tokens', 'cost', 'compute_seconds', 'storage_bytes'] as const;
export type QuotaResourceName = (typeof RESOURCES)[number];

/** From so many percent on the server warns, too. */
export const QUOTA_WARNING = 80;

/** Undefined for what a later version of the server limits. */
export const quotaResource = (name: string): QuotaResourceName | undefined => RESOURCES.find((known) => known === name);

/** Writes an amount of what a quota limits. */
export function useQuotaAmount() {
  const { t } = useTranslation();
  const format = useFormat();
  return (name: QuotaResourceName, text: string | null | undefined): string => {
    const amount = Number(text);
    if (name === 'cost') return format.cost(amount);
    if (name === 'storage_bytes') return format.bytes(amount);
    if (name === 'compute_seconds') return t('limits.inHours', { amount: format.number(Math.round(amount / 36) / 100) });
    return format.number(amount);
  };
}
