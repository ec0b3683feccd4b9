import { ApiOutlined, AppstoreAddOutlined, DeleteOutlined, EditOutlined, PlusOutlined, TeamOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Tag, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { providersQuery, useDeleteProvider } from '@/api/gateway';
import type { Provider } from '@/api/types';
import { Page } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import { useDescribe } from '@/lib/use-describe';
import { AvailableList } from './available-list';
import { ConnectionTest } from './connection-test';
import { DistributionDrawer } from './distribution-drawer';
import styles from './gateway.module.css';
import { ModelForm } from './model-form';
import { OfferedModels } from './offered-models';
import { ProviderForm } from './provider-form';

export function ProvidersPage() {
  const { t } = useTranslation();
  const query = useQuery(providersQuery);
  const may = usePermits();
  const [editing, setEditing] = useState<Provider | 'new'>();
  const [shared, setShared] = useState<string>();
  const providers = query.data?.items ?? [];
  const create = may('provider:write') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('providers.create')}
    </Button>
  );
  return (
    <Page title={t('providers.title')} description={t('providers.intro')} actions={providers.length > 0 && create}>
      <QueryState query={query}>
        {() =>
          providers.length === 0 ? (
            <EmptyState icon={<ApiOutlined />} title={t('providers.empty')} hint={t('providers.emptyHint')} action={create} />
          ) : (
            <ul className={styles.providers}>
              {providers.map((provider) => (
                <ProviderCard key={provider.id} provider={provider} onEdit={() => setEditing(provider)} onDistribute={() => setShared(provider.id)} />
              ))}
            </ul>
          )
        }
      </QueryState>
      <br />
      <AvailableList />
      <DistributionDrawer provider={providers.find(({ id }) => id === shared)} onClose={() => setShared(undefined)} />
      {editing && (
        <ProviderForm provider={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
    </Page>
  );
}

interface ProviderCardProps {
  provider: Provider;
  onEdit: () => void;
  onDistribute: () => void;
}

function ProviderCard({ provider, onEdit, onDistribute }: ProviderCardProps) {
  const may = usePermits();
  const { t } = useTranslation();
  const { modal, message: toast } = App.useApp();
  const describe = useDescribe();
  const remove = useDeleteProvider();
  const [adding, setAdding] = useState<'one' | 'several'>();
  const confirmDelete = () =>
    void modal.confirm({
      title: t('providers.delete'),
      content: t('providers.deleteHint', { name: provider.name }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => remove.mutateAsync(provider.id).catch((error: unknown) => void toast.error(describe(error))),
    });
  return (
    <li className={styles.provider}>
      <div className={styles.providerHead}>
        <div className={styles.providerName}>
          <strong>{provider.name}</strong>
          <span>
            {provider.provider}
            {provider.base_url ? ` · ${provider.base_url}` : ''}
          </span>
        </div>
        {!provider.is_active && <Tag color="warning">{t('models.inactive')}</Tag>}
        <Tag>{t(`providers.scopes.${provider.scope}`)}</Tag>
        {provider.audience && <Tag>{t(`distribution.${provider.audience}`)}</Tag>}
        {provider.editable && (
          <>
        <Tooltip title={t('common.edit')}>
          <Button type="text" icon={<EditOutlined />} aria-label={t('common.editNamed', { name: provider.name })} onClick={onEdit} />
        </Tooltip>
        <Tooltip title={t('common.delete')}>
          <Button
            type="text"
            icon={<DeleteOutlined />}
            aria-label={t('common.deleteNamed', { name: provider.name })}
            onClick={confirmDelete}
          />
        </Tooltip>
          </>
        )}
      </div>
      <p className={styles.key}>
        {t('providers.key')} <code>{provider.api_key_hint ? `••••${provider.api_key_hint.slice(-4)}` : t('providers.noKey')}</code>
      </p>
      <ConnectionTest
        id={provider.id}
        extra={
          <>
            {provider.editable && (
              <>
                <Button icon={<AppstoreAddOutlined />} onClick={() => setAdding('several')}>
                  {t('offered.open')}
                </Button>
                <Button icon={<PlusOutlined />} onClick={() => setAdding('one')}>
                  {t('models.create')}
                </Button>
              </>
            )}
            {provider.scope === 'organization' && may('organization_provider:manage') && (
              <Button icon={<TeamOutlined />} onClick={onDistribute}>
                {t('distribution.title')}
              </Button>
            )}
          </>
        }
      />
      {adding === 'several' && <OfferedModels provider={provider} onClose={() => setAdding(undefined)} />}
      {adding === 'one' && <ModelForm providerId={provider.id} onClose={() => setAdding(undefined)} />}
    </li>
  );
}
