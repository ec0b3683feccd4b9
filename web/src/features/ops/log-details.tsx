import { useQuery } from '@tanstack/react-query';
import { Badge, Descriptions } from 'antd';
import { useTranslation } from 'react-i18next';
import { userQuery } from '@/api/people';
import type { SystemLog } from '@/api/types';
import { CodeBlock } from '@/components/code-block';
import { CopyButton } from '@/components/copy-button';
import { usePermits } from '@/components/use-permits';
import { useFormat } from '@/lib/use-format';
import { levelStatus, useLevelText } from './log-level';
import styles from './ops.module.css';

/** Everything that one entry of the log says. */
export function LogDetails({ entry }: { entry: SystemLog }) {
  const { t } = useTranslation();
  const format = useFormat();
  const level = useLevelText();
  const whole = JSON.stringify(entry, undefined, 2);
  const optional = (key: string, label: string, children: React.ReactNode) => (children ? [{ key, label, children }] : []);
  return (
    <>
      <p className={styles.entry}>{entry.message}</p>
      <Descriptions
        column={1}
        size="small"
        bordered
        items={[
          { key: 'level', label: t('logs.level'), children: <Badge status={levelStatus(entry.level)} text={level(entry.level)} /> },
          { key: 'time', label: t('logs.time'), children: format.exact(entry.created_at) },
          { key: 'module', label: t('logs.module'), children: <code>{entry.module}</code> },
          ...optional('doing', t('logs.doing'), entry.function_name && <code>{entry.function_name}</code>),
          { key: 'node', label: t('logs.node'), children: entry.node },
          ...optional('person', t('logs.person'), entry.user_id && <PersonName id={entry.user_id} />),
          ...optional('address', t('logs.address'), entry.ip_address),
          { key: 'id', label: t('logs.id'), children: <code className={styles.entry}>{entry.id}</code> },
        ]}
      />
      {Object.keys(entry.extra_data).length > 0 && (
        <>
          <h3>{t('logs.more')}</h3>
          <CodeBlock language="json" code={JSON.stringify(entry.extra_data, undefined, 2)} />
        </>
      )}
      <p className={styles.copy}>
        {t('logs.copyHint')} <CopyButton text={whole} labelled type="default" />
      </p>
    </>
  );
}

function PersonName({ id }: { id: string }) {
  const may = usePermits();
  const { data } = useQuery({ ...userQuery(id), enabled: may('user:read'), retry: false });
  return data ? data.display_name || data.username : <code>{id}</code>;
}
