import { SendOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Popconfirm, Tag, type TableColumnsType } from 'antd';
import { useTranslation } from 'react-i18next';
import { invitationsQuery, useRevokeInvitation } from '@/api/people';
import type { Invitation } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { StatusDot, type Tone } from '@/components/status-dot';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { useAct } from '@/lib/use-act';

const TONES: Record<Invitation['status'], Tone> = { open: 'busy', accepted: 'ok', revoked: 'off', expired: 'off' };

export function InvitationList({ onInvite }: { onInvite: () => void }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(invitationsQuery);
  const invitations = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <QueryState query={query}>
      {() =>
        invitations.length === 0 ? (
          <EmptyState
            icon={<SendOutlined />}
            title={t('invitations.empty')}
            hint={t('invitations.emptyHint')}
            action={
              <Button type="primary" onClick={onInvite}>
                {t('invitations.create')}
              </Button>
            }
          />
        ) : (
          <>
            <InvitationTable invitations={invitations} />
            <LoadMore query={query} />
          </>
        )
      }
    </QueryState>
  );
}

function InvitationTable({ invitations }: { invitations: Invitation[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const revoke = useRevokeInvitation();
  const { said } = useAct();
  const columns: TableColumnsType<Invitation> = [
    {
      title: t('invitations.who'),
      key: 'who',
      render: (_, one) => (
        <span className={styles.name}>
          <span>{one.email ?? t('invitations.openLink')}</span>
          {one.is_mailed && <small>{t('invitations.mailed')}</small>}
        </span>
      ),
    },
    {
      title: t('common.status'),
      dataIndex: 'status',
      render: (status: Invitation['status']) => (
        <StatusDot tone={TONES[status]}>{t(`invitations.status.${status}`)}</StatusDot>
      ),
    },
    {
      title: t('users.roles'),
      key: 'gives',
      render: (_, one) => (
        <span className={styles.tags}>
          {one.roles.map((role) => (
            <Tag key={role}>{role}</Tag>
          ))}
        </span>
      ),
    },
    { title: t('invitations.groups'), dataIndex: 'groups', render: (groups: string[]) => groups.join(', ') || '—' },
    { title: t('invitations.invitedBy'), dataIndex: 'invited_by' },
    { title: t('invitations.expires'), dataIndex: 'expires_at', render: (value: string) => format.dateTime(value) },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      fixed: 'end',
      render: (_, one) =>
        one.status === 'open' && (
          <Popconfirm
            title={t('invitations.revokeHint')}
            okText={t('invitations.revoke')}
            cancelText={t('common.cancel')}
            okButtonProps={{ danger: true }}
            onConfirm={() => revoke.mutate(one.id, said(t('invitations.revoked')))}
          >
            <Button size="small" danger>
              {t('invitations.revoke')}
            </Button>
          </Popconfirm>
        ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={invitations} />;
}
