import { TeamOutlined, UserOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Alert, Button, Drawer, Popconfirm, Radio, Switch } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { distributionsQuery, useDistribute, useSaveProvider, useSetDistribution, useWithdraw } from '@/api/gateway';
import type { Distribution, Provider } from '@/api/types';
import { LoadMore, QueryState } from '@/components/states';
import { useAct } from '@/lib/use-act';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { recipients, RecipientSelect } from './recipient-select';

/** For whom an organisation's provider is. */
export function DistributionDrawer({ provider, onClose }: { provider: Provider | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      open={provider !== undefined}
      onClose={onClose}
      size={560}
      title={provider && t('distribution.of', { name: provider.name })}
      destroyOnHidden
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      {provider && <DistributionView provider={provider} />}
    </Drawer>
  );
}

function DistributionView({ provider }: { provider: Provider }) {
  const { t } = useTranslation();
  const { said } = useAct();
  const save = useSaveProvider();
  const [chosen, setChosen] = useState<string[]>([]);
  const give = useDistribute(provider.id);
  const selected = provider.audience === 'selected';
  const add = () =>
    give.mutate(recipients(chosen), {
      ...said(t('distribution.given')),
      onSuccess: () => {
        said(t('distribution.given')).onSuccess();
        setChosen([]);
      },
    });
  return (
    <>
      <Radio.Group
        className={styles.choice}
        aria-label={t('distribution.audience')}
        value={provider.audience ?? 'everyone'}
        disabled={save.isPending}
        onChange={(event) =>
          save.mutate({ id: provider.id, audience: event.target.value as 'everyone' | 'selected' }, said())
        }
        options={[
          { value: 'everyone', label: t('distribution.everyone') },
          { value: 'selected', label: t('distribution.selected') },
        ]}
      />
      {!selected && <Alert type="info" showIcon title={t('distribution.everyoneHint')} />}
      <h3 className={styles.partTitle}>{t('distribution.add')}</h3>
      <div className={styles.addLine}>
        <RecipientSelect label={t('distribution.add')} value={chosen} onChange={setChosen} />
        <Button type="primary" disabled={chosen.length === 0} loading={give.isPending} onClick={add}>
          {t('distribution.give')}
        </Button>
      </div>
      <h3 className={styles.partTitle}>{t('distribution.list')}</h3>
      <Recipients provider={provider.id} />
    </>
  );
}

function Recipients({ provider }: { provider: string }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(distributionsQuery(provider));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <QueryState query={query}>
      {() =>
        rows.length === 0 ? (
          <p className={styles.muted}>{t('distribution.empty')}</p>
        ) : (
          <>
            <ul className={styles.rows} aria-label={t('distribution.list')}>
              {rows.map((row) => (
                <Recipient key={row.id} provider={provider} row={row} />
              ))}
            </ul>
            <LoadMore query={query} />
          </>
        )
      }
    </QueryState>
  );
}

function Recipient({ provider, row }: { provider: string; row: Distribution }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { said } = useAct();
  const set = useSetDistribution(provider);
  const withdraw = useWithdraw(provider);
  const name = row.username ?? row.group_name ?? t('recipients.deleted');
  return (
    <li>
      <span className={styles.rowIcon} aria-hidden>
        {row.group_id ? <TeamOutlined /> : <UserOutlined />}
      </span>
      <span className={styles.rowText}>
        <strong>{name}</strong>
        <small>
          {t('distribution.by', {
            name: row.granted_by_name ?? t('audit.system'),
            date: format.dateTime(row.granted_at),
          })}
        </small>
      </span>
      <Switch
        size="small"
        checked={row.is_active}
        loading={set.isPending}
        aria-label={t('distribution.activeNamed', { name })}
        onChange={(is_active) => set.mutate({ id: row.id, is_active }, said())}
      />
      <Popconfirm
        title={t('distribution.withdrawAsk', { name })}
        okText={t('distribution.withdraw')}
        cancelText={t('common.cancel')}
        okButtonProps={{ danger: true }}
        onConfirm={() => withdraw.mutate(row.id, said(t('distribution.withdrawn')))}
      >
        <Button size="small" danger loading={withdraw.isPending} aria-label={t('distribution.withdrawNamed', { name })}>
          {t('distribution.withdraw')}
        </Button>
      </Popconfirm>
    </li>
  );
}
