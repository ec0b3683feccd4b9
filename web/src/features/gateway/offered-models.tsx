import { useQuery } from '@tanstack/react-query';
import { Alert, App, Button, Checkbox, Drawer, Input, Select, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { offeredModelsQuery, useAddModels } from '@/api/gateway';
import type { KnownModel, ModelKind, OfferedModel, Provider } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { QueryState } from '@/components/states';
import { ApiProblem } from '@/lib/problem';
import { describeCode, useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { knownPrices } from './suggestion';

/** The most that the server adds at once. */
const MOST = 200;

interface OfferedModelsProps {
  provider: Pick<Provider, 'id' | 'name'>;
  onClose: () => void;
}

/** What a provider offers, of which several models are added at once. */
export function OfferedModels({ provider, onClose }: OfferedModelsProps) {
  const { t } = useTranslation();
  const query = useQuery(offeredModelsQuery(provider.id));
  const models = query.data?.items ?? [];
  return (
    <Drawer
      open
      onClose={onClose}
      size={760}
      title={t('offered.title', { name: provider.name })}
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      <QueryState query={query}>
        {() =>
          models.length === 0 ? (
            <Alert type="info" showIcon title={t('offered.empty')} description={t('offered.emptyHint')} />
          ) : (
            <Choice provider={provider} models={models} onClose={onClose} />
          )
        }
      </QueryState>
    </Drawer>
  );
}

function Choice({ provider, models, onClose }: OfferedModelsProps & { models: OfferedModel[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { message: toast } = App.useApp();
  const add = useAddModels(provider.id);
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  const [kinds, setKinds] = useState<Record<string, ModelKind>>({});
  const [suggesting, setSuggesting] = useState(true);
  // One table, so one day.
  const asOf = models.find(({ known }) => known)?.known?.as_of;
  const kindOf = (model: OfferedModel) => kinds[model.id] ?? model.kind ?? undefined;
  const wanted = search.trim().toLowerCase();
  const shown = models.filter(({ id }) => id.toLowerCase().includes(wanted));
  const submit = () => {
    const picked = models.flatMap((model) => {
      const kind = kindOf(model);
      if (!kind || !chosen.includes(model.id)) return [];
      const known = suggesting ? model.known : undefined;
      const context = model.context_length ?? known?.context_length ?? null;
      return [{ model: model.id, name: model.name, kind, context_length: context, ...(known && knownPrices(known, kind)) }];
    });
    add.mutate(picked, {
      onSuccess: () => {
        void toast.success(t('offered.done', { count: picked.length }));
        onClose();
      },
    });
  };
  const columns: TableColumnsType<OfferedModel> = [
    {
      title: t('models.model'),
      key: 'model',
      render: (_, model) => (
        <div className={styles.model}>
          <strong>
            {model.id} {model.added && <Tag>{t('offered.there')}</Tag>}
          </strong>
          {!model.added && model.name !== model.id && <span>{t('offered.as', { name: model.name })}</span>}
        </div>
      ),
    },
    {
      title: t('models.kind'),
      key: 'kind',
      render: (_, model) =>
        !model.added && (
          <Select<ModelKind>
            value={kindOf(model)}
            onChange={(kind) => setKinds({ ...kinds, [model.id]: kind })}
            placeholder={t('offered.otherKind')}
            aria-label={t('offered.kindOf', { name: model.id })}
            style={{ minWidth: 130 }}
            options={[
              { value: 'chat', label: t('models.kinds.chat') },
              { value: 'embedding', label: t('models.kinds.embedding') },
            ]}
          />
        ),
    },
    {
      title: t('models.context'),
      key: 'context',
      align: 'end',
      render: (_, model) => format.number(model.context_length ?? (suggesting ? model.known?.context_length : undefined)),
    },
    {
      title: t('known.price'),
      key: 'price',
      align: 'end',
      hidden: asOf === undefined,
      render: (_, { known }) => known && usual(known),
    },
  ];
  return (
    <>
      <p className={styles.muted}>{t('offered.hint')}</p>
      <Input.Search
        allowClear
        className={styles.filter}
        placeholder={t('offered.search')}
        aria-label={t('offered.search')}
        value={search}
        onChange={(event) => setSearch(event.target.value)}
      />
      {add.isError && <Refusal error={add.error} />}
      <DataTable
        className={styles.filter}
        rowKey="id"
        size="small"
        columns={columns}
        dataSource={shown}
        rowSelection={{
          selectedRowKeys: chosen,
          preserveSelectedRowKeys: true,
          onChange: (keys) => setChosen(keys.map(String)),
          getCheckboxProps: (model) => ({
            disabled: model.added || kindOf(model) === undefined,
            'aria-label': t('offered.choose', { name: model.id }),
          }),
        }}
      />
      {asOf !== undefined && (
        <Checkbox className={styles.filter} checked={suggesting} onChange={(event) => setSuggesting(event.target.checked)}>
          {t('known.take', { date: format.date(asOf, 'UTC') })}
        </Checkbox>
      )}
      {chosen.length > MOST && <Alert type="warning" showIcon title={t('offered.tooMany', { most: MOST })} />}
      <Button type="primary" disabled={chosen.length === 0 || chosen.length > MOST} loading={add.isPending} onClick={submit}>
        {t('offered.add', { count: chosen.length })}
      </Button>
    </>
  );
}

/** What is known of its price, in and out. */
function usual({ embedding_price, input_price, output_price }: KnownModel): string {
  return [embedding_price, input_price, output_price].flatMap((price) => (price == null ? [] : [`$${price}`])).join(' / ');
}

interface Refused {
  model: string;
  code: string;
  detail: string;
}

/** Why nothing was added; by model, where the server tells. */
function Refusal({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const members = error instanceof ApiProblem ? error.members : {};
  const refused = Array.isArray(members.refused) ? (members.refused as Refused[]) : undefined;
  return (
    <Alert
      type="error"
      showIcon
      className={styles.filter}
      title={refused ? t('offered.refused') : t('common.failed')}
      description={
        refused ? (
          <ul>
            {refused.map(({ model, code, detail }, place) => (
              <li key={place}>
                <code>{model}</code>: {describeCode(code, detail)}
              </li>
            ))}
          </ul>
        ) : (
          describe(error)
        )
      }
    />
  );
}
