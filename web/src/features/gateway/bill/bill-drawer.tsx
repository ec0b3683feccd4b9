import { Button, Drawer } from 'antd';
import { useTranslation } from 'react-i18next';
import { useReconcile } from '@/api/traffic';
import styles from '@/features/gateway/gateway.module.css';
import { BillForm } from './bill-form';
import { BillResult } from './bill-result';

/** Holds the ledger against a provider's bill. */
export function BillDrawer({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const compare = useReconcile();
  return (
    <Drawer open title={t('bill.title')} size={760} styles={{ wrapper: { maxWidth: '100vw' } }} onClose={onClose}>
      <p className={styles.muted}>{t('bill.hint')}</p>
      {compare.data ? (
        <>
          <BillResult result={compare.data} />
          <Button onClick={() => compare.reset()}>{t('bill.again')}</Button>
        </>
      ) : (
        <BillForm compare={compare} />
      )}
    </Drawer>
  );
}
