import { Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Quota, QuotaResource } from '@/api/types';
import { QUOTA_WARNING, quotaResource, useQuotaAmount } from '@/components/use-quota-amount';
import styles from './gateway.module.css';

/** How much of each limited thing is used. */
export function QuotaUsage({ quota }: { quota: Quota }) {
  const { t } = useTranslation();
  const limited = quota.resources.filter(({ limit }) => limit !== null && limit !== undefined);
  if (limited.length === 0) return <span className={styles.muted}>{t('limits.unlimited')}</span>;
  return (
    <div className={styles.usage}>
      {limited.map((resource) => (
        <Bar key={resource.resource} {...resource} />
      ))}
    </div>
  );
}

function Bar({ resource, used, limit }: QuotaResource) {
  const { t } = useTranslation();
  const amount = useQuotaAmount();
  const name = quotaResource(resource);
  if (name === undefined) return null;
  const most = Number(limit);
  const percent = most === 0 ? 100 : Math.min(100, (Number(used) / most) * 100);
  return (
    <div>
      <div className={styles.usageLine}>
        <span>{t(`myQuotas.resources.${name}`)}</span>
        <span>{t('myQuotas.of', { used: amount(name, used), limit: amount(name, limit) })}</span>
      </div>
      <Progress
        percent={percent}
        size="small"
        showInfo={false}
        aria-label={t(`myQuotas.resources.${name}`)}
        strokeColor={percent >= 100 ? 'var(--ant-color-error)' : percent >= QUOTA_WARNING ? 'var(--ant-color-warning)' : 'var(--ant-color-primary)'}
      />
    </div>
  );
}
