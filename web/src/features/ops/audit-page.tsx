import { AuditOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { DatePicker, Input, Select, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { auditQuery, type AuditFilter } from '@/api/ops';
import type { AuditEntry } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './ops.module.css';
import { ValueDiff } from './value-diff';

const RESOURCES = [
  'user',
  'session',
  'api_key',
  'provider',
  'model',
  'conversation',
  'knowledge_base',
  'document',
];

export function AuditPage() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<AuditFilter>({});
  const query = useInfiniteQuery(auditQuery(filter));
  const entries = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t('audit.title')} description={t('audit.intro')}>
      <Filters filter={filter} onChange={setFilter} />
      <QueryState query={query}>
        {() =>
          entries.length === 0 ? (
            <EmptyState icon={<AuditOutlined />} title={t('audit.empty')} hint={t('audit.emptyHint')} />
          ) : (
            <>
              <AuditTable entries={entries} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
    </Page>
  );
}

function Filters({ filter, onChange }: { filter: AuditFilter; onChange: (filter: AuditFilter) => void }) {
  const { t } = useTranslation();
  return (
    <div className={styles.filters} role="search">
      <Select
        allowClear
        aria-label={t('audit.resource')}
        placeholder={t('audit.resource')}
        value={filter.resource_type ?? null}
        onChange={(value: string | null) => onChange({ ...filter, resource_type: value ?? undefined })}
        options={RESOURCES.map((value) => ({ value, label: value }))}
      />
      <Input.Search
        allowClear
        aria-label={t('audit.action')}
        placeholder={t('audit.action')}
        onSearch={(value) => onChange({ ...filter, action: value.trim() || undefined })}
      />
      <DatePicker.RangePicker
        aria-label={t('audit.period')}
        onChange={(dates) =>
          onChange({
            ...filter,
            from: dates?.[0]?.startOf('day').toISOString(),
            to: dates?.[1]?.endOf('day').toISOString(),
          })
        }
      />
    </div>
  );
}

function AuditTable({ entries }: { entries: AuditEntry[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const columns: TableColumnsType<AuditEntry> = [
    { title: t('audit.time'), dataIndex: 'created_at', render: (value: string) => format.dateTime(value) },
    { title: t('audit.who'), key: 'who', render: (_, entry) => entry.username ?? entry.user_id ?? t('audit.system') },
    { title: t('audit.action'), dataIndex: 'action', render: (value: string) => <code>{value}</code> },
    {
      title: t('audit.resource'),
      key: 'resource',
      render: (_, entry) => (
        <>
          {entry.resource_type}
          {entry.resource_id && <small className={styles.id}>{entry.resource_id}</small>}
        </>
      ),
    },
    { title: t('audit.address'), dataIndex: 'ip_address', render: (value?: string | null) => value ?? '—' },
  ];
  return (
    <DataTable
      rowKey="id"
      size="middle"
      columns={columns}
      dataSource={entries}
      expandable={{
        rowExpandable: (entry) => Boolean(entry.old_values ?? entry.new_values),
        expandedRowRender: (entry) => <ValueDiff before={entry.old_values} after={entry.new_values} />,
      }}
    />
  );
}
