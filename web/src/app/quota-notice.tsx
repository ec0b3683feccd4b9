import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert } from 'antd';
import { useTranslation } from 'react-i18next';
import { ownQuotasQuery } from '@/api/account';
import { meQuery, savePreference } from '@/api/identity';
import { usePermits } from '@/components/use-permits';
import { useQuotaAmount } from '@/components/use-quota-amount';
import { useFormat } from '@/lib/use-format';
import { nearQuotas, type NearQuota, type PutAway } from './near-quotas';
import styles from './shell.module.css';

const POLL_MS = 10 * 60_000;
const PREFERENCE = 'quota_notices';
const SCOPES = ['user', 'group', 'api_key'] as const;

const isPutAway = (value: unknown): value is PutAway => typeof value === 'object' && value !== null;

/** Tells, once a month for each, which quotas of the person are nearly used up. */
export function QuotaNotice() {
  const { t } = useTranslation();
  const may = usePermits();
  const { data: me } = useQuery(meQuery);
  const { data: quotas } = useQuery({ ...ownQuotasQuery, enabled: may('usage:read'), refetchInterval: POLL_MS });
  const kept = me?.preferences[PREFERENCE];
  const putAway = isPutAway(kept) ? kept : {};
  const near = nearQuotas(quotas?.items ?? [], putAway, new Date());
  if (near.length === 0) return null;
  const dismiss = () => {
    const value = { ...putAway, ...Object.fromEntries(near.map(({ key, month }) => [key, month])) };
    // A failure here costs nothing but being told once more.
    void savePreference(PREFERENCE, value).catch(() => undefined);
  };
  return (
    <Alert
      banner
      type="warning"
      className={styles.notice}
      title={t('myQuotas.near')}
      description={
        <>
          <ul className={styles.noticeList}>
            {near.map((item) => (
              <NearLine key={item.key} near={item} />
            ))}
          </ul>
          <Link to="/profile" search={{ tab: 'quotas' }}>
            {t('myQuotas.see')}
          </Link>
        </>
      }
      closable={{ 'aria-label': t('myQuotas.dismiss'), onClose: dismiss }}
    />
  );
}

function NearLine({ near }: { near: NearQuota }) {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = useQuotaAmount();
  const { quota, resource, name, percent } = near;
  const scope = SCOPES.find((known) => known === quota.scope) ?? 'user';
  const parts = [
    t(`myQuotas.scopes.${scope}`, { name: quota.label ?? '' }),
    t(`myQuotas.resources.${name}`),
    percent >= 100 ? t('myQuotas.full') : t('myQuotas.almost', { percent }),
    t('myQuotas.of', { used: amount(name, resource.used), limit: amount(name, resource.limit) }),
    ...(resource.resets_at ? [t('myQuotas.resets', { date: format.date(resource.resets_at, quota.timezone) })] : []),
  ];
  return <li>{parts.join(' · ')}</li>;
}
