import { AuditOutlined, DownloadOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Dropdown, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { auditExportUrl, auditQuery, type AuditFilter } from '@/api/ops';
import type { AuditEntry } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import { useFormat } from '@/lib/use-format';
import { AuditFilters } from './audit-filters';
import { ChainCard } from './chain-card';
import styles from './ops.module.css';
import { ValueDiff } from './value-diff';

export function AuditPage() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<AuditFilter>({});
  const may = usePermits();
  const query = useInfiniteQuery(auditQuery(filter));
  const entries = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t('audit.title')} description={t('audit.intro')} actions={may('audit:export') && <Export filter={filter} />}>
      <ChainCard />
      <AuditFilters filter={filter} onChange={setFilter} />
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

/** Downloads everything that fits the filters. */
function Export({ filter }: { filter: AuditFilter }) {
  const { t } = useTranslation();
  const link = (format: 'csv' | 'jsonl') => ({
    key: format,
    label: (
      <a href={auditExportUrl(filter, format)} download>
        {t(`auditMore.formats.${format}`)}
      </a>
    ),
  });
  return (
    <Dropdown trigger={['click']} menu={{ items: [link('csv'), link('jsonl')] }}>
      <Button icon={<DownloadOutlined />}>{t('auditMore.export')}</Button>
    </Dropdown>
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
