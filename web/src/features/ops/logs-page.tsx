import { CheckCircleOutlined, FileSearchOutlined, ReloadOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Badge, Button, Drawer, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { systemLogsQuery, type LogFilter } from '@/api/ops';
import type { SystemLog } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import { LogDetails } from './log-details';
import { LogFilters } from './log-filters';
import { levelStatus, useLevelText } from './log-level';
import styles from './ops.module.css';

/** The warnings and errors of the program, of all nodes, newest first. */
export function LogsPage() {
  const { t } = useTranslation();
  const [filter, setFilter] = useState<LogFilter>({});
  const [shown, setShown] = useState<SystemLog>();
  const query = useInfiniteQuery(systemLogsQuery(filter));
  const entries = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Object.values(filter).some(Boolean);
  const refresh = (
    <Button icon={<ReloadOutlined />} loading={query.isRefetching} onClick={() => void query.refetch()}>
      {t('common.refresh')}
    </Button>
  );
  return (
    <Page title={t('logs.title')} description={t('logs.intro')} actions={refresh}>
      <LogFilters entries={entries} onChange={setFilter} filter={filter} />
      <QueryState query={query}>
        {() =>
          entries.length > 0 ? (
            <>
              <LogTable entries={entries} onOpen={setShown} />
              <LoadMore query={query} />
            </>
          ) : filtered ? (
            <EmptyState icon={<FileSearchOutlined />} title={t('logs.nothing')} hint={t('logs.nothingHint')} />
          ) : (
            <EmptyState icon={<CheckCircleOutlined />} title={t('logs.empty')} hint={t('logs.emptyHint')} />
          )
        }
      </QueryState>
      <Drawer
        open={shown !== undefined}
        title={t('logs.entry')}
        size={560}
        styles={{ wrapper: { maxWidth: '100vw' } }}
        onClose={() => setShown(undefined)}
      >
        {shown && <LogDetails entry={shown} />}
      </Drawer>
    </Page>
  );
}

function LogTable({ entries, onOpen }: { entries: SystemLog[]; onOpen: (entry: SystemLog) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const level = useLevelText();
  const columns: TableColumnsType<SystemLog> = [
    {
      title: t('logs.time'),
      dataIndex: 'created_at',
      render: (value: string, entry) => (
        <Button type="link" className={styles.linkCell} onClick={() => onOpen(entry)}>
          {format.exact(value)}
        </Button>
      ),
    },
    {
      title: t('logs.level'),
      dataIndex: 'level',
      render: (value: string) => <Badge status={levelStatus(value)} text={level(value)} />,
    },
    {
      title: t('logs.message'),
      dataIndex: 'message',
      render: (value: string) => <div className={styles.message}>{value}</div>,
    },
    { title: t('logs.module'), dataIndex: 'module', render: (value: string) => <code>{value}</code> },
    { title: t('logs.node'), dataIndex: 'node' },
  ];
  return <DataTable rowKey="id" size="middle" columns={columns} dataSource={entries} />;
}
