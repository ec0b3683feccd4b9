import { CopyOutlined, DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Tag, Tooltip, type TableColumnsType } from 'antd';
import { useState, type ComponentProps } from 'react';
import { useTranslation } from 'react-i18next';
import { rolesQuery, useDeleteRole } from '@/api/access';
import type { Role } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';
import { useRightText } from './rights';
import { RoleForm } from './role-form';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

type Draft = ComponentProps<typeof RoleForm>['role'];

export function RolesPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const query = useQuery(rolesQuery);
  const [draft, setDraft] = useState<Draft>();
  return (
    <Page
      title={t('roles.title')}
      description={t('roles.intro')}
      actions={
        may('role:manage') && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setDraft({})}>
            {t('roles.create')}
          </Button>
        )
      }
    >
      <QueryState query={query}>
        {() => <RoleTable roles={query.data?.items ?? []} onDraft={setDraft} />}
      </QueryState>
      {draft && <RoleForm role={draft} onClose={() => setDraft(undefined)} />}
    </Page>
  );
}

function RoleTable({ roles, onDraft }: { roles: Role[]; onDraft: (role: Draft) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const text = useRightText();
  const may = usePermits();
  const { confirm } = useAct();
  const remove = useDeleteRole();
  const ask = (role: Role) =>
    confirm({
      title: t('roles.deleteTitle'),
      content: t('roles.deleteHint', { name: role.name, count: role.user_count }),
      okText: t('common.delete'),
      act: () => remove.mutateAsync(role.id),
    });
  const columns: TableColumnsType<Role> = [
    {
      title: t('roles.name'),
      key: 'name',
      render: (_, role) => (
        <span className={styles.name}>
          <span>
            <strong>{role.name}</strong> {role.is_preset && <Tag>{t('roles.preset')}</Tag>}
          </span>
          <small>
            {role.is_preset
              ? t(`roles.presets.${role.name as 'user'}`, { defaultValue: role.description })
              : role.description}
          </small>
        </span>
      ),
    },
    {
      title: t('roles.rights'),
      dataIndex: 'permissions',
      width: 460,
      render: (patterns: string[]) => (
        <span className={styles.tags}>
          {patterns.map((pattern) => (
            <Tooltip key={pattern} title={pattern}>
              <Tag>{text.pattern(pattern)}</Tag>
            </Tooltip>
          ))}
        </span>
      ),
    },
    { title: t('roles.people'), dataIndex: 'user_count', align: 'end', render: (count: number) => format.number(count) },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, role) =>
        may('role:manage') && (
          <span style={{ whiteSpace: 'nowrap' }}>
            <Tooltip title={t('roles.copy')}>
              <Button
                type="text"
                icon={<CopyOutlined />}
                aria-label={t('roles.copyNamed', { name: role.name })}
                onClick={() => onDraft({ permissions: role.permissions })}
              />
            </Tooltip>
            {!role.is_preset && (
              <>
                <Tooltip title={t('common.edit')}>
                  <Button
                    type="text"
                    icon={<EditOutlined />}
                    aria-label={t('common.editNamed', { name: role.name })}
                    onClick={() => onDraft(role)}
                  />
                </Tooltip>
                <Tooltip title={t('common.delete')}>
                  <Button
                    type="text"
                    icon={<DeleteOutlined />}
                    aria-label={t('common.deleteNamed', { name: role.name })}
                    onClick={() => ask(role)}
                  />
                </Tooltip>
              </>
            )}
          </span>
        ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={roles} />;
}
