import { PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { App, Button, Select, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery, usersQuery, useUpdateUser } from '@/api/identity';
import type { User } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { LoadMore, QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { UserForm } from './user-form';

export function UsersPage() {
  const { t } = useTranslation();
  const query = useInfiniteQuery(usersQuery);
  const [creating, setCreating] = useState(false);
  return (
    <Page
      title={t('users.title')}
      description={t('users.intro')}
      actions={
        <Button type="primary" icon={<PlusOutlined />} onClick={() => setCreating(true)}>
          {t('users.create')}
        </Button>
      }
    >
      <QueryState query={query}>
        {() => (
          <>
            <UserTable users={query.data?.pages.flatMap((page) => page.items) ?? []} />
            <LoadMore query={query} />
          </>
        )}
      </QueryState>
      <UserForm open={creating} onClose={() => setCreating(false)} />
    </Page>
  );
}

function UserTable({ users }: { users: User[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const { data: me } = useQuery(meQuery);
  const update = useUpdateUser();
  const change = (body: { id: string; status?: string; roles?: string[] }) =>
    update.mutate(body, {
      onSuccess: () => void toast.success(t('common.saved')),
      onError: (error) => void toast.error(describe(error)),
    });
  const columns: TableColumnsType<User> = [
    {
      title: t('users.name'),
      key: 'name',
      render: (_, user) => (
        <>
          <strong>{user.display_name || user.username}</strong>
          {user.display_name && (
            <>
              <br />
              <span>{user.username}</span>
            </>
          )}
        </>
      ),
    },
    { title: t('identity.email'), dataIndex: 'email' },
    {
      title: t('users.roles'),
      dataIndex: 'roles',
      render: (roles: string[], user) =>
        // Nobody takes the administration from themselves by a slip.
        user.id === me?.id ? (
          roles.map((role) => <Tag key={role}>{role}</Tag>)
        ) : (
        <Select
          mode="multiple"
          aria-label={t('users.rolesOf', { name: user.username })}
          style={{ minWidth: 170 }}
          value={roles}
          options={['admin', 'user'].map((value) => ({ value, label: value }))}
          onChange={(value: string[]) => value.length > 0 && change({ id: user.id, roles: value })}
        />
      ),
    },
    {
      title: t('common.status'),
      dataIndex: 'status',
      render: (status: string) => (
        <StatusDot tone={status === 'active' ? 'ok' : 'off'}>
          {status === 'active' ? t('users.active') : t('users.suspended')}
        </StatusDot>
      ),
    },
    { title: t('users.since'), dataIndex: 'created_at', render: (value: string) => format.date(value) },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, user) =>
        user.id !== me?.id && (
          <Button
            size="small"
            danger={user.status === 'active'}
            onClick={() => change({ id: user.id, status: user.status === 'active' ? 'suspended' : 'active' })}
          >
            {user.status === 'active' ? t('users.suspend') : t('users.activate')}
          </Button>
        ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={users} />;
}
