import { DesktopOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Tag } from 'antd';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import { sessionsQuery, useRevokeSession } from '@/api/identity';
import type { Session } from '@/api/types';
import { QueryState } from '@/components/states';
import { describeDevice } from '@/lib/device';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './profile.module.css';

const METHODS = ['password', 'passkey', 'oidc'] as const;
const FACTORS = ['totp', 'passkey', 'recovery_code', 'issuer'] as const;

/** How the session was begun: "password + authenticator app". */
function proofs({ method, second_factor }: Session, t: TFunction): string {
  const first = METHODS.find((known) => known === method);
  const second = FACTORS.find((known) => known === second_factor && known !== method);
  return [first && t(`mySessions.methods.${first}`), second && t(`mySessions.factors.${second}`)].filter(Boolean).join(' + ');
}

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
        <ul className={styles.list}>
          {query.data?.items.map((session) => (
            <li key={session.id}>
              <DesktopOutlined aria-hidden />
              <span className={styles.what}>
                <span title={session.device ?? undefined}>
                  {session.device ? describeDevice(session.device) : t('profile.unknownDevice')} {session.current && <Tag>{t('profile.current')}</Tag>}
                </span>
                <small>
                  {[proofs(session, t), session.ip_address, format.relative(session.last_used_at)].filter(Boolean).join(' · ')}
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
