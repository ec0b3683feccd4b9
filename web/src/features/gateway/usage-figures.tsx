import { useTranslation } from 'react-i18next';
import type { UsageSummary } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';

/** All that was used, in a few numbers. */
export function UsageFigures({ total }: { total: UsageSummary['total'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const some = (count: number, text: string) => (count > 0 ? text : undefined);
  const figures = [
    { label: t('usage.callCount'), value: format.number(total.calls), note: some(total.cancelled_calls, t('spend.cancelled', { count: total.cancelled_calls })) },
    {
      label: t('usage.promptTokens'),
      value: format.number(total.prompt_tokens),
      note: some(total.cached_tokens, t('spend.cached', { tokens: format.number(total.cached_tokens) })),
    },
    {
      label: t('usage.completionTokens'),
      value: format.number(total.completion_tokens),
      note: some(total.reasoning_tokens, t('spend.reasoning', { tokens: format.number(total.reasoning_tokens) })),
    },
    {
      label: t('usage.cost'),
      value: format.cost(total.cost ?? 0),
      note: some(total.unpriced_calls, t('usage.unpriced', { count: total.unpriced_calls })),
    },
    { label: t('usage.errors'), value: format.number(total.errors) },
    { label: t('spend.meanLatency'), value: format.duration(total.calls > 0 ? total.mean_latency_ms : null) },
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
