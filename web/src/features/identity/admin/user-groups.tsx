import { CloseOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { allGroupsQuery, userGroupsQuery, useSetMember } from '@/api/people';
import type { User } from '@/api/types';
import { QueryState } from '@/components/states';
import styles from './admin.module.css';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

/** The groups that a person is in. */
export function UserGroups({ user }: { user: User }) {
  const { t } = useTranslation();
  const may = usePermits();
  const { said } = useAct();
  const query = useQuery(userGroupsQuery(user.id));
  const groups = useQuery(allGroupsQuery);
  const set = useSetMember();
  const own = query.data ?? [];
  const change = (group: string, member: boolean) => set.mutate({ group, user: user.id, member }, said());
  return (
    <section className={styles.part}>
      <h3>{t('people.groups')}</h3>
      <QueryState query={query}>
        {() =>
          own.length === 0 ? (
            <p className={styles.muted}>{t('people.noGroups')}</p>
          ) : (
            <ul className={styles.list}>
              {own.map((group) => (
                <li key={group.id}>
                  {group.name}
                  {may('group:manage') && (
                    <Button
                      type="text"
                      icon={<CloseOutlined />}
                      aria-label={t('people.removeFromGroup', { group: group.name })}
                      onClick={() => change(group.id, false)}
                    />
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </QueryState>
      {may('group:manage') && (
        <Select
          aria-label={t('people.addToGroup')}
          placeholder={t('people.addToGroup')}
          className={styles.full}
          value={null}
          loading={set.isPending}
          notFoundContent={t('groups.empty')}
          showSearch={{ optionFilterProp: 'label' }}
          options={(groups.data ?? [])
            .filter((group) => !own.some((has) => has.id === group.id))
            .map((group) => ({ value: group.id, label: group.name }))}
          onChange={(group: string | null) => group && change(group, true)}
        />
      )}
    </section>
  );
}
