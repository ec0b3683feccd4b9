import { FileSearchOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Segmented, Select, Skeleton } from 'antd';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usageSummaryQuery, type UsageFilter, type UsageRange } from '@/api/gateway';
import { Page, Section } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import { BillDrawer } from './bill/bill-drawer';
import { BreakdownTable } from './breakdown-table';
import { UsageCalls } from './usage-calls';
import { daysBack, type Metric } from './usage-data';
import { dimensions, useGroupHint, type Dimension } from './usage-dimensions';
import { UsageExport } from './usage-export';
import { UsageFigures } from './usage-figures';
import { UsageFilters } from './usage-filters';

const UsageChart = lazy(() => import('./usage-chart'));

const RANGES = [7, 30, 90] as const;

export function UsagePage() {
  const { t } = useTranslation();
  const may = usePermits();
  const [days, setDays] = useState<(typeof RANGES)[number]>(30);
  const [filter, setFilter] = useState<UsageFilter>({});
  const [comparing, setComparing] = useState(false);
  const range = useMemo(() => daysBack(days, new Date()), [days]);
  const byDay = useQuery(usageSummaryQuery(range, 'day', filter));
  const filtered = Object.values(filter).some((value) => value !== undefined);
  return (
    <Page
      title={t('usage.title')}
      description={t('usage.intro')}
      actions={
        <>
          <Segmented
            aria-label={t('usage.period')}
            value={days}
            onChange={setDays}
            options={RANGES.map((count) => ({ value: count, label: t('usage.lastDays', { count }) }))}
          />
          <UsageExport filter={{ ...range, ...filter }} />
          {may('usage:read_all') && (
            <Button icon={<FileSearchOutlined />} onClick={() => setComparing(true)}>
              {t('bill.title')}
            </Button>
          )}
        </>
      }
    >
      <UsageFilters range={range} filter={filter} onChange={setFilter} />
      <QueryState query={byDay}>
        {() =>
          byDay.data && (
            <>
              <UsageFigures total={byDay.data.total} />
              {byDay.data.total.calls === 0 ? (
                <Section>
                  <EmptyState
                    title={filtered ? t('spend.nothingFits') : t('usage.empty')}
                    hint={filtered ? t('spend.nothingFitsHint') : t('usage.emptyHint')}
                  />
                </Section>
              ) : (
                <OverTime days={days} items={byDay.data.items} />
              )}
            </>
          )
        }
      </QueryState>
      <Breakdown range={range} filter={filter} onPick={(picked) => setFilter({ ...filter, ...picked })} />
      <Section title={t('usage.calls')} description={t('usage.callsHint')}>
        <UsageCalls range={range} filter={filter} />
      </Section>
      {comparing && <BillDrawer onClose={() => setComparing(false)} />}
    </Page>
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

interface BreakdownProps {
  range: UsageRange;
  filter: UsageFilter;
  onPick: (filter: UsageFilter) => void;
}

function Breakdown({ range, filter, onPick }: BreakdownProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const [group, setGroup] = useState<Dimension>('model');
  const query = useQuery(usageSummaryQuery(range, group, filter));
  const hint = useGroupHint(group, query.data?.items.length ?? 0);
  return (
    <Section
      title={t('usage.breakdown')}
      description={hint}
      extra={
        <Select
          aria-label={t('usage.groupBy')}
          style={{ minWidth: 190 }}
          value={group}
          onChange={setGroup}
          options={dimensions(may('usage:read_all')).map((value) => ({ value, label: t(`spend.by.${value}`) }))}
        />
      }
    >
      <QueryState query={query}>
        {() => <BreakdownTable rows={query.data?.items ?? []} group={group} onPick={onPick} />}
      </QueryState>
    </Section>
  );
}
