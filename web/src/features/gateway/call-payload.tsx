import { EyeOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { payloadQuery } from '@/api/traffic';
import { CodeBlock } from '@/components/code-block';
import { QueryState } from '@/components/states';
import { isStatus } from '@/lib/http';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';

/** Spread out where it is JSON; what was cut is not. */
function spread(text: string): { code: string; language?: string } {
  try {
    return { code: JSON.stringify(JSON.parse(text), undefined, 2), language: 'json' };
  } catch {
    return { code: text };
  }
}

/** What was sent in a call and what came back, where its model keeps it; read on demand only. */
export function CallPayloadView({ id }: { id: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [wanted, setWanted] = useState(false);
  const query = useQuery({ ...payloadQuery(id), enabled: wanted });
  const payload = query.data;
  const heading = (label: string, bytes: number, cut: boolean) =>
    t(cut ? 'payloads.cut' : 'payloads.bytes', { label, size: format.bytes(bytes) });
  if (!wanted) {
    return (
      <div className={styles.payload}>
        <Button icon={<EyeOutlined />} onClick={() => setWanted(true)}>
          {t('payloads.show')}
        </Button>
        <p className={styles.muted}>{t('payloads.showHint')}</p>
      </div>
    );
  }
  if (isStatus(query.error, 404)) {
    return (
      <div className={styles.payload}>
        <Alert type="info" showIcon title={t('payloads.none')} description={t('payloads.noneHint')} />
      </div>
    );
  }
  return (
    <section className={styles.payload} aria-label={t('payloads.title')}>
      <QueryState query={query}>
        {() =>
          payload && (
            <>
              {payload.error && <Alert type="error" showIcon title={payload.error} />}
              <h3 className={styles.partTitle}>{heading(t('payloads.request'), payload.request_bytes, payload.request_cut)}</h3>
              <CodeBlock {...spread(payload.request)} />
              <h3 className={styles.partTitle}>{heading(t('payloads.answer'), payload.answer_bytes, payload.answer_cut)}</h3>
              {payload.answer ? <CodeBlock {...spread(payload.answer)} /> : <p className={styles.muted}>{t('payloads.noAnswer')}</p>}
              {payload.reasoning && (
                <>
                  <h3 className={styles.partTitle}>{t('payloads.reasoning')}</h3>
                  <CodeBlock code={payload.reasoning} />
                </>
              )}
            </>
          )
        }
      </QueryState>
    </section>
  );
}
