import { Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Quota, QuotaResource } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';

/** From here on the server warns, too. */
const WARNING = 80;

const RESOURCES = ['api_calls', 'tokens', 'cost', 'compute_seconds', 'storage_bytes'] as const;

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
  const format = useFormat();
  const name = RESOURCES.find((known) => known === resource);
  if (name === undefined) return null;
  const show = (text: string | null | undefined) => {
    const amount = Number(text);
    if (name === 'cost') return format.cost(amount);
    if (name === 'storage_bytes') return format.bytes(amount);
    if (name === 'compute_seconds') return t('limits.inHours', { amount: format.number(Math.round(amount / 36) / 100) });
    return format.number(amount);
  };
  const most = Number(limit);
  const percent = most === 0 ? 100 : Math.min(100, (Number(used) / most) * 100);
  return (
    <div>
      <div className={styles.usageLine}>
        <span>{t(`myQuotas.resources.${name}`)}</span>
        <span>{t('myQuotas.of', { used: show(used), limit: show(limit) })}</span>
      </div>
      <Progress
        percent={percent}
        size="small"
        showInfo={false}
        aria-label={t(`myQuotas.resources.${name}`)}
        strokeColor={percent >= 100 ? 'var(--ant-color-error)' : percent >= WARNING ? 'var(--ant-color-warning)' : 'var(--ant-color-primary)'}
      />
    </div>
  );
}
