import { Alert, Button, Tooltip } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useTestProvider } from '@/api/gateway';
import { describeCode, useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';

/** Asks the server to reach the provider with its key, and says in words how that went. */
export function ConnectionTest({ id, extra }: { id: string; extra?: ReactNode }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const test = useTestProvider();
  const result = test.data;
  return (
    <>
      <div className={styles.buttons}>
        <Tooltip title={t('providers.testHint')} trigger={['hover', 'focus']}>
          <Button loading={test.isPending} onClick={() => test.mutate(id)}>
            {t('providers.test')}
          </Button>
        </Tooltip>
        {extra}
      </div>
      <div role="status" className={styles.result}>
        {result && (
          <Alert
            type={result.ok ? 'success' : 'error'}
            showIcon
            title={result.ok ? t('providers.works') : t('providers.fails')}
            description={
              result.ok
                ? t('available.testOk', { took: format.duration(result.latency_ms) })
                : describeCode(result.code ?? 'unknown', result.detail)
            }
          />
        )}
        {test.isError && <Alert type="error" showIcon title={t('providers.fails')} description={describe(test.error)} />}
      </div>
    </>
  );
}
