import { DesktopOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { sessionsQuery, useRevokeSession } from '@/api/identity';
import { QueryState } from '@/components/states';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './profile.module.css';

export function SessionList() {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const query = useQuery(sessionsQuery);
  const revoke = useRevokeSession();
  return (
    <QueryState query={query}>
      {() => (
        <ul className={styles.sessions}>
          {query.data?.items.map((session) => (
            <li key={session.id}>
              <DesktopOutlined aria-hidden />
              <span className={styles.device}>
                <span>
                  {session.device ?? t('profile.unknownDevice')} {session.current && <Tag>{t('profile.current')}</Tag>}
                </span>
                <small>
                  {[session.ip_address, format.relative(session.last_used_at)].filter(Boolean).join(' · ')}
                </small>
              </span>
              {!session.current && (
                <Button
                  size="small"
                  loading={revoke.isPending && revoke.variables === session.id}
                  onClick={() => revoke.mutate(session.id, { onError: (error) => void toast.error(describe(error)) })}
                >
                  {t('profile.revoke')}
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
    </QueryState>
  );
}
