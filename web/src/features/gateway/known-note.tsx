import { Alert } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { KnownModel } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { KNOWN_PRICES } from './suggestion';

/** Says of which day the suggested prices are, and what they do not hold for. */
export function KnownNote({ known, action }: { known: KnownModel; action?: ReactNode }) {
  const { t } = useTranslation();
  const format = useFormat();
  const prices = KNOWN_PRICES[known.kind].map((name) => [t(`prices.${name}`), known[name]] as const);
  const listed = prices.flatMap(([label, price]) => (price == null ? [] : [`${label} $${price}`]));
  return (
    <Alert
      type="info"
      showIcon
      className={styles.filter}
      title={t('known.title', { date: format.date(known.as_of, 'UTC') })}
      description={
        <>
          <div>{t('known.prices', { model: known.model, prices: listed.join(' · ') })}</div>
          {known.prices_up_to != null && <div>{t('known.upTo', { tokens: format.number(known.prices_up_to) })}</div>}
          <div>{t('known.hint')}</div>
        </>
      }
      action={action}
    />
  );
}
