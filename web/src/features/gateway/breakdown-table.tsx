import { type TableColumnsType } from 'antd';
import { useTranslation } from 'react-i18next';
import type { UsageGroup, UsageRow } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { useFormat } from '@/lib/use-format';
import { purposeKey } from './usage-data';

export function BreakdownTable({ rows, group }: { rows: UsageRow[]; group: Exclude<UsageGroup, 'day'> }) {
  const { t } = useTranslation();
  const format = useFormat();
  const label = (key: string) => {
    const purpose = purposeKey(key);
    return group === 'purpose' && purpose ? t(`usage.purposes.${purpose}`) : key;
  };
  const columns: TableColumnsType<UsageRow> = [
    { title: t(`usage.groups.${group}`), key: 'key', render: (_, row) => row.label ?? label(row.key) },
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
    { title: t('usage.errors'), dataIndex: 'errors', align: 'end', render: format.number },
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
