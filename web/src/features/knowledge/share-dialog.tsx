import { TeamOutlined, UserOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Alert, Button, Form, Input, Modal, Popconfirm, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { grantsQuery, usePutGrant, useRemoveGrant, type GrantLevel } from '@/api/knowledge';
import { ownGroupsQuery } from '@/api/limits';
import type { KnowledgeBase, KnowledgeBaseGrant } from '@/api/types';
import { LoadMore, QueryState } from '@/components/states';
import { PersonSelect } from '@/components/person-select';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { useFormErrors } from '@/lib/use-form-errors';
import { useFormat } from '@/lib/use-format';
import styles from './share.module.css';

export const LEVELS: GrantLevel[] = ['view', 'use', 'edit'];

/** With whom a knowledge base is shared, and how far. */
export function ShareDialog({ base, onClose }: { base: KnowledgeBase; onClose: () => void }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(grantsQuery(base.id));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Modal open title={t('share.of', { name: base.name })} footer={null} onCancel={onClose} width={620}>
      <AddGrant base={base.id} />
      <h3 className={styles.title}>{t('share.list')}</h3>
      <QueryState query={query}>
        {() =>
          rows.length === 0 ? (
            <p className={styles.muted}>{t('share.empty')}</p>
          ) : (
            <>
              <ul className={styles.rows} aria-label={t('share.list')}>
                {rows.map((row) => (
                  <Grant key={row.id} base={base.id} row={row} />
                ))}
              </ul>
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
    </Modal>
  );
}

interface Values {
  kind: 'person' | 'group';
  user?: string;
  group_id?: string;
  level: GrantLevel;
}

function AddGrant({ base }: { base: string }) {
  const { t } = useTranslation();
  const may = usePermits();
  const [form] = Form.useForm<Values>();
  const errors = useFormErrors(form);
  const put = usePutGrant(base);
  const groups = useQuery(ownGroupsQuery);
  const kind = (Form.useWatch('kind', form) as Values['kind'] | undefined) ?? 'person';
  const submit = ({ user, group_id, level }: Values) =>
    put.mutate(kind === 'person' ? { user: user ?? '', level } : { group_id: group_id ?? '', level }, {
      onSuccess: () => {
        errors.clear();
        form.resetFields(['user', 'group_id']);
      },
      onError: errors.show,
    });
  const required = { required: true, message: t('common.required') };
  return (
    <Form form={form} layout="vertical" initialValues={{ kind: 'person', level: 'use' }} onFinish={submit}>
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <div className={styles.add}>
        <Form.Item name="kind" label={t('share.kind')}>
          <Select
            options={[
              { value: 'person', label: t('share.person') },
              { value: 'group', label: t('share.group') },
            ]}
          />
        </Form.Item>
        {kind === 'person' ? (
          <Form.Item key="user" name="user" label={t('share.username')} rules={[required]} className={styles.wide}>
            {may('user:read') ? (
              <PersonSelect by="username" label={t('share.username')} />
            ) : (
              <Input autoComplete="off" maxLength={100} />
            )}
          </Form.Item>
        ) : (
          <Form.Item key="group" name="group_id" label={t('share.myGroup')} rules={[required]} className={styles.wide}>
            <Select
              loading={groups.isPending}
              notFoundContent={t('share.noGroup')}
              options={(groups.data ?? []).map((group) => ({ value: group.id, label: group.name }))}
            />
          </Form.Item>
        )}
        <Form.Item name="level" label={t('share.level')} className={styles.wide}>
          <Select options={LEVELS.map((value) => ({ value, label: t(`share.may.${value}`) }))} />
        </Form.Item>
      </div>
      <Button type="primary" htmlType="submit" loading={put.isPending}>
        {t('share.title')}
      </Button>
    </Form>
  );
}

function Grant({ base, row }: { base: string; row: KnowledgeBaseGrant }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { said } = useAct();
  const put = usePutGrant(base);
  const remove = useRemoveGrant(base);
  const name = row.username ?? row.group_name ?? t('recipients.deleted');
  const whom = row.user_id ? { user: row.user_id } : { group_id: row.group_id ?? '' };
  return (
    <li>
      <span className={styles.muted} aria-hidden>
        {row.group_id ? <TeamOutlined /> : <UserOutlined />}
      </span>
      <span className={styles.name}>
        <strong>{name}</strong>
        <small>{t('distribution.by', { name: row.granted_by_name ?? t('audit.system'), date: format.date(row.granted_at) })}</small>
      </span>
      <Select
        size="small"
        aria-label={t('share.levelNamed', { name })}
        popupMatchSelectWidth={false}
        value={row.level as GrantLevel}
        loading={put.isPending}
        onChange={(level) => put.mutate({ ...whom, level }, said())}
        options={LEVELS.map((value) => ({ value, label: t(`share.levels.${value}`) }))}
      />
      <Popconfirm
        title={t('share.removeAsk', { name })}
        okText={t('share.remove')}
        cancelText={t('common.cancel')}
        okButtonProps={{ danger: true }}
        onConfirm={() => remove.mutate(row.id, said())}
      >
        <Button size="small" danger aria-label={t('share.removeNamed', { name })}>
          {t('share.remove')}
        </Button>
      </Popconfirm>
    </li>
  );
}
