import { useQuery } from '@tanstack/react-query';
import { Segmented, Skeleton } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usageSummaryQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import type { UsageGroup, UsageSummary } from '@/api/types';
import { Page, Section } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { permits } from '@/lib/permissions';
import { useFormat } from '@/lib/use-format';
import { BreakdownTable } from './breakdown-table';
import styles from './gateway.module.css';
import { UsageCalls } from './usage-calls';
import { daysBack, type Metric } from './usage-data';

const UsageChart = lazy(() => import('./usage-chart'));

const RANGES = [7, 30, 90] as const;

export function UsagePage() {
  const { t } = useTranslation();
  const [days, setDays] = useState<(typeof RANGES)[number]>(30);
  const range = useMemo(() => daysBack(days, new Date()), [days]);
  const byDay = useQuery(usageSummaryQuery(range, 'day'));
  return (
    <Page
      title={t('usage.title')}
      description={t('usage.intro')}
      actions={
        <Segmented
          aria-label={t('usage.period')}
          value={days}
          onChange={setDays}
          options={RANGES.map((count) => ({ value: count, label: t('usage.lastDays', { count }) }))}
        />
      }
    >
      <QueryState query={byDay}>
        {() =>
          byDay.data && (
            <>
              <Figures total={byDay.data.total} />
              {byDay.data.total.calls === 0 ? (
                <EmptyState title={t('usage.empty')} hint={t('usage.emptyHint')} />
              ) : (
                <OverTime days={days} items={byDay.data.items} />
              )}
            </>
          )
        }
      </QueryState>
      <Breakdown range={range} />
      <Section title={t('usage.calls')} description={t('usage.callsHint')}>
        <UsageCalls range={range} />
      </Section>
    </Page>
  );
}

function Figures({ total }: { total: UsageSummary['total'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const figures = [
    { label: t('usage.callCount'), value: format.number(total.calls) },
    { label: t('usage.promptTokens'), value: format.number(total.prompt_tokens) },
    { label: t('usage.completionTokens'), value: format.number(total.completion_tokens) },
    {
      label: t('usage.cost'),
      value: format.cost(total.cost ?? 0),
      note: total.unpriced_calls > 0 ? t('usage.unpriced', { count: total.unpriced_calls }) : undefined,
    },
    { label: t('usage.errors'), value: format.number(total.errors) },
  ];
  return (
    <dl className={styles.figures}>
      {figures.map((figure) => (
        <div key={figure.label}>
          <dt>{figure.label}</dt>
          <dd>
            {figure.value}
            {figure.note && <small>{figure.note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function OverTime({ days, items }: { days: number; items: Parameters<typeof UsageChart>[0]['items'] }) {
  const { t } = useTranslation();
  const [metric, setMetric] = useState<Metric>('tokens');
  return (
    <Section
      title={t('usage.overTime')}
      extra={
        <Segmented
          aria-label={t('usage.metric')}
          value={metric}
          onChange={setMetric}
          options={(['tokens', 'calls', 'cost'] as const).map((value) => ({ value, label: t(`usage.metrics.${value}`) }))}
        />
      }
    >
      <Suspense fallback={<Skeleton active paragraph={{ rows: 6 }} />}>
        <UsageChart items={items} metric={metric} days={days} />
      </Suspense>
    </Section>
  );
}

function Breakdown({ range }: { range: { from: string; to: string } }) {
  const { t } = useTranslation();
  const { data: me } = useQuery(meQuery);
  const [group, setGroup] = useState<Exclude<UsageGroup, 'day'>>('model');
  const query = useQuery(usageSummaryQuery(range, group));
  const groups = permits(me?.permissions ?? [], 'usage:read_all')
    ? (['model', 'provider', 'purpose', 'user'] as const)
    : (['model', 'provider', 'purpose'] as const);
  return (
    <Section
      title={t('usage.breakdown')}
      extra={
        <Segmented
          aria-label={t('usage.groupBy')}
          value={group}
          onChange={setGroup}
          options={groups.map((value) => ({ value, label: t(`usage.groups.${value}`) }))}
        />
      }
    >
      <QueryState query={query}>{() => <BreakdownTable rows={query.data?.items ?? []} group={group} />}</QueryState>
    </Section>
  );
}
