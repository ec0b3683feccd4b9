import { EditOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Drawer, Segmented, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '@/api/identity';
import { userQuery, useUpdateUser } from '@/api/people';
import type { User } from '@/api/types';
import { QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { Facts, type Fact } from './facts';
import { nameOf, Person } from './person';
import { ProfileForm } from './profile-form';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { UserActions } from './user-actions';
import { UserGroups } from './user-groups';
import { UserRoles } from './user-roles';
import { STATUSES, useStatusText, type Status } from './user-status';

/** Everything about one account. */
export function UserDrawer({ id, onClose }: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      open={id !== undefined}
      onClose={onClose}
      size={560}
      title={t('people.profile')}
      destroyOnHidden
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      {id && <UserView id={id} onGone={onClose} />}
    </Drawer>
  );
}

function UserView({ id, onGone }: { id: string; onGone: () => void }) {
  const query = useQuery(userQuery(id));
  const { data: me } = useQuery(meQuery);
  const may = usePermits();
  return (
    <QueryState query={query}>
      {() =>
        query.data && (
          <>
            <ProfilePart user={query.data} />
            {me?.id !== id && may('user:write') && <StatePart user={query.data} />}
            {may('role:read') && <UserRoles user={query.data} />}
            {may('group:read') && <UserGroups user={query.data} />}
            <UserActions user={query.data} own={me?.id === id} onGone={onGone} />
          </>
        )
      }
    </QueryState>
  );
}

function ProfilePart({ user }: { user: User }) {
  const { t } = useTranslation();
  const format = useFormat();
  const may = usePermits();
  const [editing, setEditing] = useState(false);
  const facts: Fact[] = [
    [
      t('identity.email'),
      <>
        {user.email} <Tag>{user.email_verified ? t('people.verified') : t('people.unverified')}</Tag>
      </>,
    ],
    [t('people.firstName'), user.first_name],
    [t('people.lastName'), user.last_name],
    [t('people.organization'), user.organization],
    [t('people.department'), user.department],
    [t('people.position'), user.position],
    [t('users.since'), format.date(user.created_at)],
    [t('people.lastSeen'), user.last_login_at ? format.dateTime(user.last_login_at) : t('people.never')],
  ];
  return (
    <>
      <div className={styles.filters}>
        <Person person={user} size={52} />
        {may('user:write') && (
          <Button icon={<EditOutlined />} onClick={() => setEditing(true)}>
            {t('people.edit')}
          </Button>
        )}
      </div>
      <Facts facts={facts} />
      {editing && <ProfileForm user={user} onClose={() => setEditing(false)} />}
    </>
  );
}

function StatePart({ user }: { user: User }) {
  const { t } = useTranslation();
  const text = useStatusText();
  const { said, confirm } = useAct();
  const update = useUpdateUser();
  const change = (status: Status) => {
    if (status === 'active') update.mutate({ id: user.id, status }, said());
    else
      confirm({
        title: t('people.stateTitle'),
        content: t('people.stateHint', { name: nameOf(user) }),
        okText: status === 'suspended' ? t('users.suspend') : t('people.deactivate'),
        act: () => update.mutateAsync({ id: user.id, status }).then(said().onSuccess),
      });
  };
  return (
    <section className={styles.part}>
      <h3>{t('people.state')}</h3>
      <Segmented
        aria-label={t('people.state')}
        value={user.status as Status}
        disabled={update.isPending}
        onChange={change}
        options={STATUSES.map((value) => ({ value, label: text(value) }))}
      />
    </section>
  );
}
