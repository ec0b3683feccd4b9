import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Drawer } from 'antd';
import { useTranslation } from 'react-i18next';
import { membersQuery, useSetMember } from '@/api/people';
import type { Group, GroupMember } from '@/api/types';
import { LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { nameOf, Person } from './person';
import { PersonSelect } from '@/components/person-select';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { useStatusText } from './user-status';

/** Who is in a group. */
export function GroupMembers({ group, onClose }: { group: Group | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      open={group !== undefined}
      onClose={onClose}
      size={520}
      title={group && t('groups.membersOf', { name: group.name })}
      destroyOnHidden
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      {group && <MemberView group={group.id} />}
    </Drawer>
  );
}

function MemberView({ group }: { group: string }) {
  const { t } = useTranslation();
  const may = usePermits();
  const { said } = useAct();
  const query = useInfiniteQuery(membersQuery(group));
  const set = useSetMember();
  const members = query.data?.pages.flatMap((page) => page.items) ?? [];
  const change = (user: string, member: boolean) => set.mutate({ group, user, member }, said());
  return (
    <>
      {may('group:manage') && may('user:read') && (
        <div className={styles.add}>
          <PersonSelect
            label={t('groups.addMember')}
            placeholder={t('groups.addMember')}
            value={null}
            disabled={set.isPending}
            onChange={(user) => change(user, true)}
          />
        </div>
      )}
      <QueryState query={query}>
        {() =>
          members.length === 0 ? (
            <p className={styles.muted}>{t('groups.noMembers')}</p>
          ) : (
            <>
              <ul className={styles.list}>
                {members.map((member) => (
                  <Member
                    key={member.user_id}
                    member={member}
                    onRemove={may('group:manage') ? () => change(member.user_id, false) : undefined}
                  />
                ))}
              </ul>
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
    </>
  );
}

function Member({ member, onRemove }: { member: GroupMember; onRemove: (() => void) | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useStatusText();
  const state = member.status === 'active' ? [] : [text(member.status)];
  return (
    <li>
      <Person person={member} note={[member.username, format.date(member.added_at), ...state].join(' · ')} />
      {onRemove && (
        <Button size="small" aria-label={t('groups.removeNamed', { name: nameOf(member) })} onClick={onRemove}>
          {t('groups.remove')}
        </Button>
      )}
    </li>
  );
}
