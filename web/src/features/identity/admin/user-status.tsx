import { useTranslation } from 'react-i18next';
import { StatusDot } from '@/components/status-dot';

export const STATUSES = ['active', 'inactive', 'suspended'] as const;
export type Status = (typeof STATUSES)[number];

/** The words for a status of an account. */
export function useStatusText(): (status: string) => string {
  const { t } = useTranslation();
  return (status) =>
    status === 'active' ? t('users.active') : status === 'inactive' ? t('people.inactive') : t('users.suspended');
}

export function UserStatus({ status }: { status: string }) {
  const text = useStatusText();
  return <StatusDot tone={status === 'active' ? 'ok' : status === 'inactive' ? 'off' : 'bad'}>{text(status)}</StatusDot>;
}
