import { UserOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Button, Input, Segmented, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '@/api/identity';
import { usersQuery, useRestoreUser } from '@/api/people';
import type { User } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { nameOf, Person } from './person';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { UserDrawer } from './user-drawer';
import { UserStatus } from './user-status';

/** The accounts, those that are deleted apart. */
export function PeopleList() {
  const { t } = useTranslation();
  const [q, setQ] = useState('');
  const [deleted, setDeleted] = useState(false);
  const [open, setOpen] = useState<string>();
  const query = useInfiniteQuery(usersQuery({ q, deleted }));
  const users = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <div className={styles.filters} role="search">
        <Input.Search
          allowClear
          aria-label={t('people.search')}
          placeholder={t('people.search')}
          onSearch={(value) => setQ(value.trim())}
        />
        <Segmented
          aria-label={t('people.view')}
          value={deleted}
          onChange={setDeleted}
          options={[
            { value: false, label: t('people.current') },
            { value: true, label: t('people.deletedOnes') },
          ]}
        />
      </div>
      <QueryState query={query}>
        {() =>
          users.length === 0 ? (
            <EmptyState
              icon={<UserOutlined />}
              title={deleted ? t('people.emptyDeleted') : t('people.empty')}
              hint={deleted ? t('people.deletedHint') : t('people.emptyHint')}
            />
          ) : (
            <>
              <PeopleTable users={users} deleted={deleted} onOpen={setOpen} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      <UserDrawer id={open} onClose={() => setOpen(undefined)} />
    </>
  );
}

interface PeopleTableProps {
  users: User[];
  deleted: boolean;
  onOpen: (id: string) => void;
}

function PeopleTable({ users, deleted, onOpen }: PeopleTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { data: me } = useQuery(meQuery);
  const restore = useRestoreUser();
  const may = usePermits();
  const { said } = useAct();
  const columns: TableColumnsType<User> = [
    { title: t('users.name'), key: 'name', render: (_, user) => <Person person={user} /> },
    { title: t('identity.email'), dataIndex: 'email' },
    {
      title: t('users.roles'),
      dataIndex: 'roles',
      render: (roles: string[]) => (
        <span className={styles.tags}>
          {roles.map((role) => (
            <Tag key={role}>{role}</Tag>
          ))}
        </span>
      ),
    },
    deleted
      ? {
          title: t('people.deletedAt'),
          dataIndex: 'deleted_at',
          render: (value?: string | null) => (value ? format.relative(value) : '—'),
        }
      : { title: t('common.status'), dataIndex: 'status', render: (status: string) => <UserStatus status={status} /> },
    {
      title: t('people.lastSeen'),
      dataIndex: 'last_login_at',
      render: (value?: string | null) => (value ? format.relative(value) : t('people.never')),
    },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      fixed: 'end',
      render: (_, user) =>
        deleted ? (
          may('user:delete') && (
            <Button
              size="small"
              loading={restore.isPending && restore.variables === user.id}
              onClick={() => restore.mutate(user.id, said(t('people.restored', { name: nameOf(user) })))}
            >
              {t('people.restore')}
            </Button>
          )
        ) : (
          <>
            {user.id === me?.id && <Tag>{t('people.me')}</Tag>}
            <Button
              size="small"
              aria-label={t('people.manageNamed', { name: nameOf(user) })}
              onClick={() => onOpen(user.id)}
            >
              {t('people.manage')}
            </Button>
          </>
        ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={users} />;
}
