import { DeploymentUnitOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { App, Button, Segmented, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { modelsQuery, useDeleteModel } from '@/api/gateway';
import type { Model, ModelKind } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { usePermits } from '@/components/use-permits';
import styles from './gateway.module.css';
import { ModelForm } from './model-form';
import { ModelMenu } from './model-menu';
import { PricesDrawer } from './prices-drawer';
import { RowButtons } from './row-buttons';

export function ModelsPage() {
  const { t } = useTranslation();
  const query = useQuery(modelsQuery);
  const [kind, setKind] = useState<ModelKind | 'all'>('all');
  const [editing, setEditing] = useState<Model | 'new'>();
  const [priced, setPriced] = useState<string>();
  const may = usePermits();
  const models = (query.data?.items ?? []).filter((model) => kind === 'all' || model.kind === kind);
  return (
    <Page
      title={t('models.title')}
      description={t('models.intro')}
      actions={
        may('model:write') && (
          <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
            {t('models.create')}
          </Button>
        )
      }
    >
      <Segmented
        className={styles.filter}
        aria-label={t('models.kind')}
        value={kind}
        onChange={setKind}
        options={[
          { value: 'all' as const, label: t('common.all') },
          { value: 'chat' as const, label: t('models.kinds.chat') },
          { value: 'embedding' as const, label: t('models.kinds.embedding') },
        ]}
      />
      <QueryState query={query}>
        {() =>
          models.length === 0 ? (
            <EmptyState
              icon={<DeploymentUnitOutlined />}
              title={t('models.empty')}
              hint={t('models.emptyHint')}
              action={<Link to="/providers">{t('providers.create')}</Link>}
            />
          ) : (
            <ModelTable models={models} onEdit={setEditing} onPrices={setPriced} />
          )
        }
      </QueryState>
      <PricesDrawer model={models.find(({ id }) => id === priced)} onClose={() => setPriced(undefined)} />
      {editing && <ModelForm model={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />}
    </Page>
  );
}

interface ModelTableProps {
  models: Model[];
  onEdit: (model: Model) => void;
  onPrices: (id: string) => void;
}

function ModelTable({ models, onEdit, onPrices }: ModelTableProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { modal, message: toast } = App.useApp();
  const remove = useDeleteModel();
  const confirmDelete = (model: Model) =>
    void modal.confirm({
      title: t('models.delete'),
      content: t('models.deleteHint', { name: model.name }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => remove.mutateAsync(model.id).catch((error: unknown) => void toast.error(describe(error))),
    });
  const columns: TableColumnsType<Model> = [
    {
      title: t('models.name'),
      key: 'name',
      sorter: (a, b) => a.name.localeCompare(b.name),
      render: (_, model) => (
        <div className={styles.model}>
          <strong>
            {model.name} {model.is_default && <Tag>{t('prices.myDefault')}</Tag>}
            {model.is_organization_default && <Tag>{t('prices.organizationDefault')}</Tag>}
            {model.cache && <Tag>{t('answerCache.on')}</Tag>}
            {model.log_payloads !== 'off' && <Tag color="warning">{t(`payloads.on.${model.log_payloads}`)}</Tag>}
          </strong>
          {model.provider !== 'route' && <code>{model.model}</code>}
        </div>
      ),
    },
    {
      title: t('models.provider'),
      key: 'provider',
      render: (_, model) => <Source model={model} />,
    },
    { title: t('models.kind'), dataIndex: 'kind', render: (kind: ModelKind) => t(`models.kinds.${kind}`) },
    {
      title: t('common.status'),
      key: 'status',
      render: (_, model) => (
        <StatusDot tone={model.available && model.is_active ? 'ok' : 'off'}>
          {!model.is_active ? t('models.inactive') : model.available ? t('models.ready') : t('models.unavailable')}
        </StatusDot>
      ),
    },
    { title: t('models.context'), dataIndex: 'context_length', align: 'end', render: (value?: number | null) => format.number(value) },
    {
      title: t('models.price'),
      key: 'price',
      align: 'end',
      render: (_, model) => <Price model={model} onOpen={() => onPrices(model.id)} />,
    },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, model) => (
        <>
          {model.editable && (
            <RowButtons name={model.name} onEdit={() => onEdit(model)} onDelete={() => confirmDelete(model)} />
          )}
          <ModelMenu model={model} onPrices={() => onPrices(model.id)} />
        </>
      ),
    },
  ];
  return <DataTable rowKey="id" size="middle" columns={columns} dataSource={models} />;
}

/** Whose model it is; a route is that of several. */
function Source({ model }: { model: Model }) {
  const { t } = useTranslation();
  if (model.provider === 'route') return <Link to="/routes">{t('spend.route')}</Link>;
  return model.provider === 'local' ? t('chat.localModels') : (model.provider_config_name ?? model.provider);
}

/** Prices of the platform's own models are nothing; those of others may be unknown. A route has none. */
function Price({ model, onOpen }: { model: Model; onOpen: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const known = model.kind === 'embedding' ? model.embedding_price : model.input_price;
  if ((model.scope === 'built_in' && known == null) || model.provider === 'route') return '—';
  return (
    <Button type="link" className={styles.linkCell} onClick={onOpen}>
      {known == null ? (
        <Tag color="warning">{t('prices.unknown')}</Tag>
      ) : model.kind === 'embedding' ? (
        format.cost(known)
      ) : (
        `${format.cost(known)} / ${format.cost(model.output_price)}`
      )}
    </Button>
  );
}
