import { Button, type TableColumnsType } from 'antd';
import { useTranslation } from 'react-i18next';
import type { UsageFilter } from '@/api/gateway';
import type { UsageRow } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { DIMENSIONS, isNone, useGroupName, type Dimension } from './usage-dimensions';

interface BreakdownTableProps {
  rows: UsageRow[];
  group: Dimension;
  onPick: (filter: UsageFilter) => void;
}

/** The sums of each group; its name leads to that group alone. */
export function BreakdownTable({ rows, group, onPick }: BreakdownTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const nameOf = useGroupName(group);
  const { param, title } = DIMENSIONS[group];
  const columns: TableColumnsType<UsageRow> = [
    {
      title: t(title),
      key: 'key',
      render: (_, row) => {
        const name = nameOf(row);
        if (isNone(group, row.key)) return name;
        return (
          <Button
            type="link"
            className={styles.linkCell}
            aria-label={t('spend.only', { name })}
            onClick={() => onPick({ [param]: row.key })}
          >
            {name}
          </Button>
        );
      },
    },
    { title: t('usage.callCount'), dataIndex: 'calls', align: 'end', sorter: (a, b) => a.calls - b.calls, render: format.number },
    {
      title: t('usage.promptTokens'),
      dataIndex: 'prompt_tokens',
      align: 'end',
      sorter: (a, b) => a.prompt_tokens - b.prompt_tokens,
      render: format.number,
    },
    {
      title: t('usage.completionTokens'),
      dataIndex: 'completion_tokens',
      align: 'end',
      sorter: (a, b) => a.completion_tokens - b.completion_tokens,
      render: format.number,
    },
    { title: t('usage.cost'), dataIndex: 'cost', align: 'end', sorter: (a, b) => Number(a.cost ?? 0) - Number(b.cost ?? 0), render: format.cost },
    { title: t('usage.errors'), dataIndex: 'errors', align: 'end', sorter: (a, b) => a.errors - b.errors, render: format.number },
    {
      title: t('spend.meanLatency'),
      dataIndex: 'mean_latency_ms',
      align: 'end',
      sorter: (a, b) => a.mean_latency_ms - b.mean_latency_ms,
      render: format.duration,
    },
  ];
  return (
    <DataTable
      rowKey="key"
      size="middle"
      columns={columns}
      dataSource={rows}
      locale={{ emptyText: t('usage.noRows') }}
    />
  );
}
