import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Drawer, Select, type TableColumnsType, type TableColumnType, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usageCallsQuery, type UsageFilter, type UsageRange } from '@/api/gateway';
import type { UsageCall } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { LoadMore, QueryState } from '@/components/states';
import { StatusDot, type Tone } from '@/components/status-dot';
import { useFormat } from '@/lib/use-format';
import { CallDetails } from './call-details';
import styles from './gateway.module.css';
import { purposeKey, statusKey, STATUSES } from './usage-data';

function callTone(status: string): Tone {
  if (status === 'completed') return 'ok';
  return status === 'failed' ? 'bad' : 'off';
}

/** The ledger, newest first. */
export function UsageCalls({ range, filter }: { range: UsageRange; filter: UsageFilter }) {
  const { t } = useTranslation();
  const [status, setStatus] = useState<string>();
  const [shown, setShown] = useState<string>();
  const query = useInfiniteQuery(usageCallsQuery({ ...range, ...filter, ...(status ? { status } : {}) }));
  return (
    <>
      <div className={styles.filters}>
        <Select
          allowClear
          aria-label={t('common.status')}
          placeholder={t('common.status')}
          value={status ?? null}
          onChange={(value: string | null) => setStatus(value ?? undefined)}
          options={STATUSES.map((value) => ({ value, label: t(`usage.statuses.${value}`) }))}
        />
      </div>
      <QueryState query={query}>
        {() => (
          <>
            <CallTable calls={query.data?.pages.flatMap((page) => page.items) ?? []} onOpen={setShown} />
            <LoadMore query={query} />
          </>
        )}
      </QueryState>
      <Drawer
        open={shown !== undefined}
        title={t('usage.call')}
        size={520}
        styles={{ wrapper: { maxWidth: '100vw' } }}
        onClose={() => setShown(undefined)}
      >
        {shown && <CallDetails id={shown} />}
      </Drawer>
    </>
  );
}

function CallTable({ calls, onOpen }: { calls: UsageCall[]; onOpen: (id: string) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  // Most teams have none: the column is there once a program named one.
  const endUser: TableColumnType<UsageCall> = {
    title: t('spend.endUser'),
    dataIndex: 'end_user',
    render: (value?: string | null) => <div className={styles.endUser}>{value ?? '—'}</div>,
  };
  const columns: TableColumnsType<UsageCall> = [
    {
      title: t('usage.time'),
      dataIndex: 'created_at',
      render: (value: string, call) => (
        <Button type="link" className={styles.linkCell} onClick={() => onOpen(call.id)}>
          {format.dateTime(value)}
        </Button>
      ),
    },
    {
      title: t('usage.purpose'),
      dataIndex: 'purpose',
      render: (value: string) => {
        const purpose = purposeKey(value);
        return purpose ? t(`usage.purposes.${purpose}`) : value;
      },
    },
    ...(calls.some((call) => call.end_user) ? [endUser] : []),
    {
      title: t('usage.groups.model'),
      dataIndex: 'model',
      render: (value: string, call) => (
        <>
          {value} {call.cache_hit && <Tag>{t('answerCache.hit')}</Tag>}
        </>
      ),
    },
    {
      title: t('usage.tokens'),
      key: 'tokens',
      align: 'end',
      render: (_, call) => `${format.number(call.prompt_tokens)} / ${format.number(call.completion_tokens)}`,
    },
    { title: t('usage.cost'), dataIndex: 'cost', align: 'end', render: format.cost },
    { title: t('usage.latency'), dataIndex: 'latency_ms', align: 'end', render: format.duration },
    {
      title: t('common.status'),
      dataIndex: 'status',
      render: (value: string) => {
        const known = statusKey(value);
        return <StatusDot tone={callTone(value)}>{known ? t(`usage.statuses.${known}`) : value}</StatusDot>;
      },
    },
  ];
  return (
    <DataTable
      rowKey="id"
      size="middle"
      columns={columns}
      dataSource={calls}
      locale={{ emptyText: t('usage.noRows') }}
    />
  );
}
