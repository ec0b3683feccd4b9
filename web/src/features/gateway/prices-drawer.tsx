import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Alert, Button, DatePicker, Drawer, Form, Tag, type TableColumnsType } from 'antd';
import type { Dayjs } from 'dayjs';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { knownModelQuery, pricesQuery, useAddPrice } from '@/api/gateway';
import type { Model, ModelPrice, PriceTier } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { LoadMore, QueryState } from '@/components/states';
import { useFormErrors } from '@/lib/use-form-errors';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { KnownNote } from './known-note';
import { PRICES, toTiers, USUAL, type Price } from './price-names';
import { knownPrices } from './suggestion';
import { PriceInput } from './price-input';
import { TiersField } from './tiers-field';

/** What a model costs and cost, and what it will. */
export function PricesDrawer({ model, onClose }: { model: Model | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      open={model !== undefined}
      onClose={onClose}
      size={760}
      title={model && t('prices.of', { name: model.name })}
      destroyOnHidden
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      {model && (
        <>
          <p className={styles.muted}>{t('prices.hint')}</p>
          <Versions model={model} />
          {model.editable && <AddPrice model={model} />}
        </>
      )}
    </Drawer>
  );
}

function Versions({ model }: { model: Model }) {
  const { t } = useTranslation();
  const format = useFormat();
  const query = useInfiniteQuery(pricesQuery(model.id));
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const absent = (usual?: Price) => (usual ? t('prices.as', { name: t(`prices.${usual}`) }) : t('prices.unknown'));
  const columns: TableColumnsType<ModelPrice> = [
    {
      title: t('prices.from'),
      dataIndex: 'valid_from',
      render: (from: string, row) => (
        <>
          {format.dateTime(from)} {row.in_force && <Tag color="success">{t('prices.now')}</Tag>}
          {new Date(from).getTime() > Date.now() && <Tag>{t('prices.later')}</Tag>}
        </>
      ),
    },
    ...PRICES[model.kind].map((name) => ({
      title: t(`prices.${name}`),
      dataIndex: name,
      align: 'end' as const,
      render: (price: string | null | undefined, row: ModelPrice) => (
        <>
          {price == null ? absent(USUAL[name]) : format.cost(price)}
          <OfLongPrompts tiers={row.tiers} name={name} />
        </>
      ),
    })),
  ];
  return (
    <QueryState query={query}>
      {() =>
        rows.length === 0 ? (
          <Alert type="warning" showIcon title={t('prices.none')} description={t('prices.noneHint')} />
        ) : (
          <>
            <DataTable rowKey="id" size="small" columns={columns} dataSource={rows} />
            <LoadMore query={query} />
          </>
        )
      }
    </QueryState>
  );
}

/** What a price is for long prompts, where it is another. */
function OfLongPrompts({ tiers = [], name }: { tiers?: PriceTier[] | undefined; name: Price }) {
  const { t } = useTranslation();
  const format = useFormat();
  return tiers.map((tier) => {
    const price = tier[name === 'embedding_price' ? 'input_price' : name];
    if (price == null) return null;
    return (
      <div key={tier.above} className={styles.muted}>
        {t('prices.tierLine', { tokens: format.number(tier.above), price: format.cost(price) })}
      </div>
    );
  });
}

type Values = { valid_from?: Dayjs | null; tiers?: PriceTier[] } & Partial<Record<Price, string | null>>;

function AddPrice({ model }: { model: Model }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Values>();
  const errors = useFormErrors(form);
  const add = useAddPrice(model.id);
  const present = JSON.stringify(toTiers(model.tiers));
  useEffect(() => {
    // They are sent all at once: those that nobody changes here are to be the model's.
    if (!form.isFieldTouched('tiers')) form.resetFields(['tiers']);
  }, [form, present]);
  const provider = model.provider_config_id ?? '';
  const { data: known } = useQuery({ ...knownModelQuery(provider, model.model), enabled: provider !== '' });
  const submit = ({ valid_from, tiers, ...prices }: Values) => {
    const given = Object.fromEntries(Object.entries(prices).filter(([, price]) => price));
    const wanted = tiers && toTiers(tiers);
    const changed = wanted && JSON.stringify(wanted) !== present;
    add.mutate(
      { ...given, ...(changed ? { tiers: wanted } : {}), ...(valid_from ? { valid_from: valid_from.toISOString() } : {}) },
      {
        onSuccess: () => {
          errors.clear();
          form.resetFields();
        },
        onError: errors.show,
      },
    );
  };
  return (
    <>
      <h3 className={styles.partTitle}>{t('prices.add')}</h3>
      {known?.kind === model.kind && (
        <KnownNote
          known={known}
          action={
            <Button size="small" onClick={() => form.setFieldsValue(knownPrices(known, model.kind))}>
              {t('known.fill')}
            </Button>
          }
        />
      )}
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <Form form={form} layout="vertical" onFinish={submit} initialValues={{ tiers: model.tiers ?? [] }}>
        <div className={styles.pair}>
          {PRICES[model.kind].map((name) => (
            <Form.Item key={name} name={name} label={t(`prices.${name}`)}>
              <PriceInput />
            </Form.Item>
          ))}
          <Form.Item name="valid_from" label={t('prices.from')} extra={t('prices.fromHint')}>
            <DatePicker showTime={{ format: 'HH:mm' }} format="YYYY-MM-DD HH:mm" style={{ width: '100%' }} />
          </Form.Item>
        </div>
        {model.kind === 'chat' && <TiersField usual={model} from={known?.prices_up_to} />}
        <Button type="primary" htmlType="submit" loading={add.isPending}>
          {t('prices.addButton')}
        </Button>
      </Form>
    </>
  );
}
