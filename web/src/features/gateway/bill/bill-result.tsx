import { Alert, type TableColumnsType } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Reconciliation, ReconciliationDifference } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { StatusDot } from '@/components/status-dot';
import { useFormat } from '@/lib/use-format';
import styles from '@/features/gateway/gateway.module.css';

/** One figure of one difference. */
interface Row {
  key: string;
  difference: ReconciliationDifference;
  figure: string;
  ledger: string;
  bill: string;
  apart: string;
  percent?: string | null | undefined;
}

type Figure = 'prompt_tokens' | 'completion_tokens' | 'cached_tokens' | 'cost';
const FIGURES: Figure[] = ['prompt_tokens', 'completion_tokens', 'cached_tokens', 'cost'];

/** What came of the comparison. */
export function BillResult({ result }: { result: Reconciliation }) {
  const { t } = useTranslation();
  const format = useFormat();
  const count = result.differences.length;
  const day = (date: string | null | undefined) => (date ? format.date(`${date}T12:00:00`) : '—');
  return (
    <>
      <Alert
        type={count === 0 ? 'success' : 'warning'}
        showIcon
        title={count === 0 ? t('bill.agree') : t('bill.differ', { count })}
        description={
          count === 0
            ? t('bill.agreeHint', { count: result.compared })
            : t('bill.differHint', { count: result.compared, from: day(result.from), to: day(result.to) })
        }
        style={{ marginBottom: 20 }}
      />
      {count > 0 && <Differences differences={result.differences} />}
      <Totals result={result} />
    </>
  );
}

function useAmount() {
  const format = useFormat();
  return (figure: string, value: string | number | null | undefined) =>
    value == null ? '—' : figure === 'cost' ? format.cost(value) : format.number(Number(value));
}

function Differences({ differences }: { differences: ReconciliationDifference[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = useAmount();
  const rows: Row[] = differences.flatMap((difference) =>
    difference.figures.map(({ figure, ledger, provider, difference: apart, percent }) => ({
      key: `${difference.day} ${difference.model} ${figure}`,
      difference,
      figure,
      ledger,
      bill: provider,
      apart,
      percent,
    })),
  );
  const columns: TableColumnsType<Row> = [
    { title: t('bill.day'), key: 'day', render: (_, { difference }) => format.date(`${difference.day}T12:00:00`) },
    {
      title: t('spend.model'),
      key: 'model',
      render: (_, { difference }) => (
        <div className={styles.model}>
          <strong>{difference.model}</strong>
          <StatusDot tone={difference.kind === 'different' ? 'busy' : 'bad'}>{t(`bill.kinds.${difference.kind}`)}</StatusDot>
          {difference.unpriced_calls > 0 && <small className={styles.muted}>{t('bill.unpriced', { count: difference.unpriced_calls })}</small>}
          {difference.estimated_calls > 0 && (
            <small className={styles.muted}>{t('bill.estimatedCalls', { count: difference.estimated_calls })}</small>
          )}
        </div>
      ),
    },
    {
      title: t('bill.what'),
      dataIndex: 'figure',
      render: (figure: string) => {
        const known = FIGURES.find((name) => name === figure);
        return known ? t(`bill.fields.${known}`) : figure;
      },
    },
    { title: t('bill.ledger'), key: 'ledger', align: 'end', render: (_, row) => amount(row.figure, row.ledger) },
    { title: t('bill.bill'), key: 'bill', align: 'end', render: (_, row) => amount(row.figure, row.bill) },
    {
      title: t('bill.difference'),
      key: 'apart',
      align: 'end',
      render: (_, row) => (
        <div className={styles.model}>
          {amount(row.figure, row.apart)}
          {row.percent != null && <small className={styles.muted}>{`${format.number(Number(row.percent))} %`}</small>}
        </div>
      ),
    },
  ];
  return (
    <div className={styles.filter}>
      <DataTable rowKey="key" size="small" columns={columns} dataSource={rows} pagination={rows.length > 50 ? { pageSize: 50 } : false} />
    </div>
  );
}

function Totals({ result }: { result: Reconciliation }) {
  const { t } = useTranslation();
  const amount = useAmount();
  const columns: TableColumnsType<{ figure: Figure }> = [
    { title: t('bill.total'), dataIndex: 'figure', render: (figure: Figure) => t(`bill.fields.${figure}`) },
    { title: t('bill.ledger'), key: 'ledger', align: 'end', render: (_, { figure }) => amount(figure, result.ledger[figure]) },
    { title: t('bill.bill'), key: 'bill', align: 'end', render: (_, { figure }) => amount(figure, result.file[figure]) },
  ];
  return (
    <div className={styles.filter}>
      <DataTable rowKey="figure" size="small" columns={columns} dataSource={FIGURES.map((figure) => ({ figure }))} />
    </div>
  );
}
