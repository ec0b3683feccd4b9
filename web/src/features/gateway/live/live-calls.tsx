import type { TableColumnsType } from 'antd';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { LiveCall } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { StatusDot } from '@/components/status-dot';
import { useFormat } from '@/lib/use-format';
import styles from '@/features/gateway/gateway.module.css';
import { purposeKey } from '@/features/gateway/usage-data';

/** The time, anew each second. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function LiveCalls({ calls }: { calls: LiveCall[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow();
  const elapsed = (since: string) => Math.floor(Math.max(0, now - new Date(since).getTime()) / 1000) * 1000;
  const columns: TableColumnsType<LiveCall> = [
    {
      title: t('live.model'),
      key: 'model',
      render: (_, call) => (
        <div className={styles.model}>
          <strong>{call.model}</strong>
          <span className={styles.muted}>{call.provider === 'local' ? t('chat.localModels') : call.provider}</span>
        </div>
      ),
    },
    ...(calls.some((call) => call.user != null)
      ? [{ title: t('live.who'), key: 'who', render: (_: unknown, call: LiveCall) => call.user ?? '—' }]
      : []),
    {
      title: t('live.purpose'),
      key: 'purpose',
      render: (_, { purpose, surface }) => {
        const known = purposeKey(purpose);
        return (
          <div className={styles.model}>
            {known ? t(`usage.purposes.${known}`) : purpose}
            {surface && <code>{surface}</code>}
          </div>
        );
      },
    },
    {
      title: t('live.state'),
      dataIndex: 'state',
      render: (state: LiveCall['state']) => (
        <StatusDot tone={state === 'answering' ? 'ok' : 'busy'}>{t(`live.states.${state}`)}</StatusDot>
      ),
    },
    { title: t('live.soFar'), dataIndex: 'tokens', align: 'end', render: format.number },
    {
      title: t('live.running'),
      dataIndex: 'since',
      align: 'end',
      render: (since: string) => <span className={styles.number}>{format.duration(elapsed(since) || 1000)}</span>,
    },
  ];
  return <DataTable rowKey="id" size="middle" columns={columns} dataSource={calls} />;
}
