import { DeleteOutlined, EditOutlined, PlusOutlined, TeamOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Tooltip, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { groupsQuery, useDeleteGroup } from '@/api/people';
import type { Group } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { GroupForm } from './group-form';
import { GroupMembers } from './group-members';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

export function GroupsPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const query = useInfiniteQuery(groupsQuery);
  const [editing, setEditing] = useState<Group | 'new'>();
  const [open, setOpen] = useState<Group>();
  const groups = query.data?.pages.flatMap((page) => page.items) ?? [];
  const create = may('group:manage') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('groups.create')}
    </Button>
  );
  return (
    <Page title={t('groups.title')} description={t('groups.intro')} actions={groups.length > 0 && create}>
      <QueryState query={query}>
        {() =>
          groups.length === 0 ? (
            <EmptyState
              icon={<TeamOutlined />}
              title={t('groups.empty')}
              hint={t('groups.emptyHint')}
              action={create}
            />
          ) : (
            <>
              <GroupTable groups={groups} onEdit={setEditing} onOpen={setOpen} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      {editing && <GroupForm group={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />}
      <GroupMembers group={open} onClose={() => setOpen(undefined)} />
    </Page>
  );
}

interface GroupTableProps {
  groups: Group[];
  onEdit: (group: Group) => void;
  onOpen: (group: Group) => void;
}

function GroupTable({ groups, onEdit, onOpen }: GroupTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const may = usePermits();
  const { confirm } = useAct();
  const remove = useDeleteGroup();
  const ask = (group: Group) =>
    confirm({
      title: t('groups.deleteTitle'),
      content: t('groups.deleteHint', { name: group.name, count: group.member_count ?? 0 }),
      okText: t('common.delete'),
      act: () => remove.mutateAsync(group.id),
    });
  const columns: TableColumnsType<Group> = [
    {
      title: t('groups.name'),
      key: 'name',
      render: (_, group) => (
        <span className={styles.name}>
          <strong>{group.name}</strong>
          {group.description && <small>{group.description}</small>}
        </span>
      ),
    },
    {
      title: t('groups.members'),
      dataIndex: 'member_count',
      align: 'end',
      render: (count?: number | null) => format.number(count),
    },
    { title: t('users.since'), dataIndex: 'created_at', render: (value: string) => format.date(value) },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      fixed: 'end',
      render: (_, group) => (
        <>
          <Button
            size="small"
            aria-label={t('groups.membersOf', { name: group.name })}
            onClick={() => onOpen(group)}
          >
            {t('groups.members')}
          </Button>
          {may('group:manage') && (
            <>
              <Tooltip title={t('common.edit')}>
                <Button
                  type="text"
                  icon={<EditOutlined />}
                  aria-label={t('common.editNamed', { name: group.name })}
                  onClick={() => onEdit(group)}
                />
              </Tooltip>
              <Tooltip title={t('common.delete')}>
                <Button
                  type="text"
                  icon={<DeleteOutlined />}
                  aria-label={t('common.deleteNamed', { name: group.name })}
                  onClick={() => ask(group)}
                />
              </Tooltip>
            </>
          )}
        </>
      ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={groups} />;
}
