import { LinkOutlined, SafetyCertificateOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Card, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { auditChainQuery, useVerifyChain } from '@/api/ops';
import type { AuditVerification } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { QueryState } from '@/components/states';
import { describeCode, useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './ops.module.css';

/** How far the entries are linked, and whether they still are what they were. */
export function ChainCard() {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const query = useQuery(auditChainQuery);
  const verify = useVerifyChain();
  const [anchor, setAnchor] = useState('');
  const chain = query.data;
  const [seq = '', hash = ''] = chain?.anchor.split(':') ?? [];
  return (
    <Card size="small" className={styles.chain} title={<><LinkOutlined aria-hidden /> {t('auditMore.chain')}</>}>
      <QueryState query={query}>
        {() => (
          <>
            <dl className={styles.values}>
              <div>
                <dt>{t('auditMore.linked')}</dt>
                <dd>
                  {t('auditMore.linkedTo', { count: Number(seq), seq: format.number(Number(seq)) })}
                  {chain?.linked_at && ` · ${format.dateTime(chain.linked_at)}`}
                </dd>
              </div>
              <div>
                <dt>{t('auditMore.pending')}</dt>
                <dd>{format.number(chain?.pending)}</dd>
              </div>
              {chain?.forgotten && (
                <div>
                  <dt>{t('auditMore.forgotten')}</dt>
                  <dd>{format.dateTime(chain.forgotten.before)}</dd>
                </div>
              )}
              <div>
                <dt>{t('auditMore.head')}</dt>
                <dd>
                  <code title={hash}>{hash.slice(0, 16)}…</code> <CopyButton text={chain?.anchor ?? ''} />
                </dd>
              </div>
            </dl>
            <p className={styles.id}>{t('auditMore.anchorHint')}</p>
          </>
        )}
      </QueryState>
      <div className={styles.verify}>
        <Input
          allowClear
          value={anchor}
          onChange={(event) => setAnchor(event.target.value)}
          aria-label={t('auditMore.anchor')}
          placeholder={t('auditMore.anchor')}
        />
        <Button
          type="primary"
          icon={<SafetyCertificateOutlined />}
          loading={verify.isPending}
          onClick={() => verify.mutate(anchor.trim() || undefined)}
        >
          {t('auditMore.verify')}
        </Button>
      </div>
      <div role="status">
        {verify.data && <Outcome result={verify.data} />}
        {verify.isError && <Alert type="error" showIcon title={describe(verify.error)} />}
      </div>
    </Card>
  );
}

/** What is wrong at a place; the server's own words tell the place too. */
function faultText({ code, detail, seq }: AuditVerification['faults'][number]): string {
  const text = describeCode(code, detail);
  return text === detail || !seq ? text : `#${seq} ${text}`;
}

function Outcome({ result }: { result: AuditVerification }) {
  const { t } = useTranslation();
  const format = useFormat();
  const links = t('auditMore.read', { count: result.links, links: format.number(result.links) });
  if (result.intact) {
    return <Alert type="success" showIcon title={t('auditMore.intact')} description={links} />;
  }
  return (
    <Alert
      type="error"
      showIcon
      title={t('auditMore.broken', { count: result.broken })}
      description={
        <ul className={styles.faults}>
          {result.faults.map((fault, at) => (
            <li key={`${fault.code}-${fault.seq ?? at}`}>
              {faultText(fault)} {fault.entry_id && <code>{fault.entry_id}</code>}
            </li>
          ))}
        </ul>
      }
    />
  );
}
