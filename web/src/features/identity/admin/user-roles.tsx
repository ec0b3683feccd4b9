import { CloseOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Select, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { rolesQuery } from '@/api/access';
import { meQuery } from '@/api/identity';
import { userRolesQuery, useSetUserRole } from '@/api/people';
import type { User } from '@/api/types';
import { QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

/** The roles of a person: who gave them, and when. */
export function UserRoles({ user }: { user: User }) {
  const { t } = useTranslation();
  const format = useFormat();
  const may = usePermits();
  const { said } = useAct();
  const { data: me } = useQuery(meQuery);
  const query = useQuery(userRolesQuery(user.id));
  const roles = useQuery(rolesQuery);
  const set = useSetUserRole();
  const assigned = query.data?.items ?? [];
  // Nobody takes the administration from themselves by a slip.
  const changes = may('role:assign') && me?.id !== user.id;
  return (
    <section className={styles.part}>
      <h3>{t('users.roles')}</h3>
      <QueryState query={query}>
        {() =>
          assigned.length === 0 ? (
            <p className={styles.muted}>{t('people.noRoles')}</p>
          ) : (
            <ul className={styles.list}>
              {assigned.map((role) => (
                <li key={role.role_id}>
                  <span className={styles.name}>
                    <span>
                      <Tag>{role.name}</Tag>
                    </span>
                    <small>
                      {role.granted_by_name
                        ? t('people.granted', { name: role.granted_by_name, date: format.date(role.granted_at) })
                        : t('people.grantedBySystem', { date: format.date(role.granted_at) })}
                    </small>
                  </span>
                  {changes && (
                    <Button
                      type="text"
                      icon={<CloseOutlined />}
                      aria-label={t('people.takeRole', { role: role.name })}
                      loading={set.isPending && set.variables.role === role.role_id}
                      onClick={() => set.mutate({ id: user.id, role: role.role_id, has: false }, said())}
                    />
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </QueryState>
      {changes ? (
        <Select
          aria-label={t('people.giveRole')}
          placeholder={t('people.giveRole')}
          className={styles.full}
          value={null}
          loading={set.isPending}
          options={(roles.data?.items ?? [])
            .filter((role) => !assigned.some((has) => has.role_id === role.id))
            .map((role) => ({ value: role.id, label: role.name }))}
          onChange={(role: string | null) => role && set.mutate({ id: user.id, role, has: true }, said())}
        />
      ) : (
        me?.id === user.id && <p className={styles.muted}>{t('people.selfHint')}</p>
      )}
    </section>
  );
}
