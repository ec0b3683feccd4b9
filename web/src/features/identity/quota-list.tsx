import { DashboardOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Card, Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import { ownQuotasQuery } from '@/api/account';
import type { OwnQuota } from '@/api/types';
import { Section } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { usePreferences } from '@/lib/preferences';
import { useFormat } from '@/lib/use-format';
import styles from './profile.module.css';

/** From here on the server warns, too. */
const WARNING = 80;

const RESOURCES = ['tokens', 'cost', 'api_calls', 'compute_seconds', 'storage_bytes'] as const;
type ResourceName = (typeof RESOURCES)[number];
const SCOPES = ['user', 'group', 'api_key'] as const;

/** What binds the person: their own quota, their groups', their keys'. */
export function QuotaList() {
  const { t } = useTranslation();
  const query = useQuery(ownQuotasQuery);
  return (
    <QueryState query={query}>
      {() =>
        query.data?.items.length === 0 ? (
          <EmptyState icon={<DashboardOutlined />} title={t('myQuotas.empty')} hint={t('myQuotas.emptyHint')} />
        ) : (
          <Section title={t('myProfile.tabs.quotas')} description={t('myQuotas.hint')}>
            <div className={styles.quotas}>
              {query.data?.items.map((quota) => (
                <QuotaCard key={quota.id} quota={quota} />
              ))}
            </div>
          </Section>
        )
      }
    </QueryState>
  );
}

/** The day as it is there: a month ends at midnight of the quota's own time zone. */
const dayIn = (timeZone: string, at: string, language: string) =>
  new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone }).format(new Date(at));

function QuotaCard({ quota }: { quota: OwnQuota }) {
  const { t } = useTranslation();
  const { language } = usePreferences();
  const scope = SCOPES.find((known) => known === quota.scope) ?? 'user';
  const limited = quota.resources.filter(({ limit }) => limit !== null && limit !== undefined);
  const resets = limited.find(({ resets_at }) => resets_at)?.resets_at;
  return (
    <Card
      size="small"
      title={t(`myQuotas.scopes.${scope}`, { name: quota.label ?? '' })}
      extra={resets && <small>{t('myQuotas.resets', { date: dayIn(quota.timezone, resets, language) })}</small>}
    >
      {limited.map((resource) => (
        <Resource key={resource.resource} {...resource} />
      ))}
    </Card>
  );
}

function Resource({ resource, used, reserved, limit }: OwnQuota['resources'][number]) {
  const { t } = useTranslation();
  const format = useFormat();
  const name = RESOURCES.find((known) => known === resource);
  if (name === undefined) return null;
  const show: Record<ResourceName, (amount: number) => string> = {
    tokens: format.number,
    api_calls: format.number,
    cost: (amount) => format.cost(amount),
    compute_seconds: (amount) => format.duration(amount * 1000),
    storage_bytes: format.bytes,
  };
  const amount = show[name];
  const most = Number(limit);
  const share = most === 0 ? 100 : Math.min(100, (Number(used) / most) * 100);
  const percent = Math.floor(share);
  return (
    <div className={styles.resource}>
      <div className={styles.resourceLine}>
        <span>{t(`myQuotas.resources.${name}`)}</span>
        <span>{t('myQuotas.of', { used: amount(Number(used)), limit: amount(most) })}</span>
      </div>
      <Progress
        percent={share}
        showInfo={false}
        aria-label={t(`myQuotas.resources.${name}`)}
        strokeColor={
          percent >= 100 ? 'var(--ant-color-error)' : percent >= WARNING ? 'var(--ant-color-warning)' : 'var(--ant-color-primary)'
        }
      />
      <div className={styles.resourceLine}>
        {percent >= 100 ? (
          <StatusDot tone="bad">{t('myQuotas.full')}</StatusDot>
        ) : percent >= WARNING ? (
          <StatusDot tone="busy">{t('myQuotas.almost', { percent })}</StatusDot>
        ) : (
          <small>{t('myQuotas.almost', { percent })}</small>
        )}
        {Number(reserved) > 0 && <small>{t('myQuotas.reserved', { amount: amount(Number(reserved)) })}</small>}
      </div>
    </div>
  );
}
