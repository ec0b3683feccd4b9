import { DashboardOutlined, PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Tabs, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { quotaPath, quotasQuery, rateLimitsQuery, ratePath, scopeOf, useSetQuota, useSetRate, type QuotaScope } from '@/api/limits';
import type { Quota, RateLimit } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { QuotaForm } from './quota-form';
import { QuotaUsage } from './quota-usage';
import { RateForm } from '@/components/rate-form';
import { RowButtons } from './row-buttons';

/** What may be used in a month, and how much in a minute. */
export function LimitsPage() {
  const { t } = useTranslation();
  return (
    <Page title={t('limits.title')} description={t('limits.intro')}>
      <Tabs
        items={[
          { key: 'quotas', label: t('limits.quotas'), children: <Quotas /> },
          { key: 'rates', label: t('limits.rates'), children: <Rates /> },
        ]}
      />
    </Page>
  );
}

function Quotas() {
  const { t } = useTranslation();
  const may = usePermits();
  const { confirm } = useAct();
  const query = useInfiniteQuery(quotasQuery);
  const set = useSetQuota();
  const [editing, setEditing] = useState<Quota | 'new'>();
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const create = may('quota:manage') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('limits.addQuota')}
    </Button>
  );
  const ask = (quota: Quota) =>
    confirm({
      title: t('limits.removeQuota'),
      content: t('limits.removeQuotaHint', { name: quota.label ?? '' }),
      okText: t('limits.remove'),
      act: () => set.mutateAsync({ path: quotaPath(scopeOf(quota.scope) as QuotaScope, quota.subject_id) }),
    });
  const columns: TableColumnsType<Quota> = [
    { title: t('limits.scope'), key: 'scope', render: (_, { scope }) => <Tag>{t(`limits.one.${scopeOf(scope)}`)}</Tag> },
    { title: t('limits.name'), key: 'name', render: (_, quota) => <strong>{quota.label ?? t('recipients.deleted')}</strong> },
    { title: t('limits.used'), key: 'used', render: (_, quota) => <QuotaUsage quota={quota} /> },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, quota) =>
        may('quota:manage') && (
          <RowButtons name={quota.label ?? quota.subject_id} onEdit={() => setEditing(quota)} onDelete={() => ask(quota)} />
        ),
    },
  ];
  return (
    <>
      <QueryState query={query}>
        {() =>
          rows.length === 0 ? (
            <EmptyState icon={<DashboardOutlined />} title={t('limits.noQuota')} hint={t('limits.noQuotaHint')} action={create} />
          ) : (
            <>
              <div className={styles.bar}>{create}</div>
              <DataTable rowKey="id" size="middle" columns={columns} dataSource={rows} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      {editing && <QuotaForm quota={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />}
    </>
  );
}

function Rates() {
  const { t } = useTranslation();
  const format = useFormat();
  const may = usePermits();
  const { confirm } = useAct();
  const query = useInfiniteQuery(rateLimitsQuery);
  const set = useSetRate();
  const [editing, setEditing] = useState<RateLimit | 'new'>();
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const nameOf = (rate: RateLimit) => rate.label ?? t(`limits.scopes.${scopeOf(rate.scope)}`);
  const create = may('quota:manage') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('limits.addRate')}
    </Button>
  );
  const ask = (rate: RateLimit) =>
    confirm({
      title: t('limits.removeRate'),
      content: t('limits.removeRateHint', { name: nameOf(rate) }),
      okText: t('limits.remove'),
      act: () => set.mutateAsync({ path: ratePath(scopeOf(rate.scope), rate.subject_id ?? undefined) }),
    });
  const perMinute = (value?: number | null) => (value ? format.number(value) : t('limits.unlimited'));
  const columns: TableColumnsType<RateLimit> = [
    { title: t('limits.scope'), key: 'scope', render: (_, { scope }) => <Tag>{t(`limits.one.${scopeOf(scope)}`)}</Tag> },
    {
      title: t('limits.name'),
      key: 'name',
      render: (_, rate) => (
        <>
          <strong>{nameOf(rate)}</strong> {rate.set_by_owner && <Tag>{t('limits.byOwner')}</Tag>}
        </>
      ),
    },
    { title: t('limits.requests'), dataIndex: 'requests_per_minute', align: 'end', render: perMinute },
    { title: t('limits.tokens'), dataIndex: 'tokens_per_minute', align: 'end', render: perMinute },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, rate) =>
        may('quota:manage') &&
        !rate.set_by_owner && <RowButtons name={nameOf(rate)} onEdit={() => setEditing(rate)} onDelete={() => ask(rate)} />,
    },
  ];
  return (
    <>
      <QueryState query={query}>
        {() =>
          rows.length === 0 ? (
            <EmptyState icon={<DashboardOutlined />} title={t('limits.noRate')} hint={t('limits.noRateHint')} action={create} />
          ) : (
            <>
              <div className={styles.bar}>{create}</div>
              <DataTable rowKey="id" size="middle" columns={columns} dataSource={rows} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      {editing && <RateForm limit={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />}
    </>
  );
}
