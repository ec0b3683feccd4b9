import { ApiOutlined, DeleteOutlined, EditOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Tag, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { providersQuery, useDeleteProvider } from '@/api/gateway';
import type { Provider } from '@/api/types';
import { Page } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { useDescribe } from '@/lib/use-describe';
import { ConnectionTest } from './connection-test';
import styles from './gateway.module.css';
import { ModelForm } from './model-form';
import { ProviderForm } from './provider-form';

export function ProvidersPage() {
  const { t } = useTranslation();
  const query = useQuery(providersQuery);
  const [editing, setEditing] = useState<Provider | 'new'>();
  const providers = query.data?.items ?? [];
  const create = (
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
                <ProviderCard key={provider.id} provider={provider} onEdit={() => setEditing(provider)} />
              ))}
            </ul>
          )
        }
      </QueryState>
      {editing && (
        <ProviderForm provider={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
    </Page>
  );
}

function ProviderCard({ provider, onEdit }: { provider: Provider; onEdit: () => void }) {
  const { t } = useTranslation();
  const { modal, message: toast } = App.useApp();
  const describe = useDescribe();
  const remove = useDeleteProvider();
  const [adding, setAdding] = useState(false);
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
        <Tag>{t(`providers.scopes.${provider.scope}`)}</Tag>
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
          <Button icon={<PlusOutlined />} onClick={() => setAdding(true)}>
            {t('models.create')}
          </Button>
        }
      />
      {adding && <ModelForm providerId={provider.id} onClose={() => setAdding(false)} />}
    </li>
  );
}
