import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Form, InputNumber, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import type { Model, ModelRoute } from '@/api/types';
import styles from '@/features/gateway/gateway.module.css';
import type { RouteValues } from './route-values';
import own from './routes.module.css';

/** Ability, as the server has it, by the value of its select. */
const ABILITIES = { known: true, none: false, unknown: null } as const;

interface TargetFieldsProps {
  models: Model[];
  route: ModelRoute | undefined;
}

/** The models of a route: each with its step, its weight and what it can do. */
export function TargetFields({ models, route }: TargetFieldsProps) {
  const { t } = useTranslation();
  const form = Form.useFormInstance<RouteValues>();
  const scope = Form.useWatch('scope', form) ?? route?.scope;
  const chosen = ((Form.useWatch('targets', form) as RouteValues['targets'] | undefined) ?? []).map((row) => row?.model_config_id);
  const kind = route?.kind ?? models.find(({ id }) => chosen.includes(id))?.kind;
  // A model of another's that only the route knows keeps its name.
  const missing = (route?.targets ?? []).filter((target) => !models.some(({ id }) => id === target.model_config_id));
  const options = (row: number) => [
    ...models
      .filter((model) => model.provider !== 'route')
      .filter((model) => (scope !== 'organization' || model.scope !== 'personal') && (chosen.every((id, at) => at === row || !id) || model.kind === kind))
      .map((model) => ({
        value: model.id,
        label: `${model.name} · ${model.provider === 'local' ? t('chat.localModels') : (model.provider_config_name ?? model.provider)}`,
        disabled: chosen.some((id, at) => id === model.id && at !== row),
      })),
    ...missing.map((target) => ({ value: target.model_config_id, label: target.name })),
  ];
  const ability = (place: number, name: 'tools' | 'images') => (
    <Form.Item
      name={[place, name]}
      label={t(`routes.${name}`)}
      getValueProps={(value: boolean | null | undefined) => ({ value: value == null ? 'unknown' : value ? 'known' : 'none' })}
      normalize={(value: keyof typeof ABILITIES) => ABILITIES[value]}
    >
      <Select
        options={(['unknown', 'known', 'none'] as const).map((value) => ({ value, label: t(`routes.abilities.${value}`) }))}
      />
    </Form.Item>
  );
  return (
    <>
      <h3 className={styles.partTitle}>{t('routes.targets')}</h3>
      <p className={styles.muted}>{t('routes.targetsHint')}</p>
      <Form.List
        name="targets"
        rules={[
          {
            validator: (_, rows?: RouteValues['targets']) =>
              rows?.some((row) => row?.model_config_id) ? Promise.resolve() : Promise.reject(new Error(t('routes.targetsMissing'))),
          },
        ]}
      >
        {(fields, { add, remove }, { errors }) => (
          <>
            {fields.map(({ key, name: place }) => (
              <div key={key} className={own.target}>
                <div className={own.targetHead}>
                  <Form.Item
                    name={[place, 'model_config_id']}
                    label={t('routes.target', { place: place + 1 })}
                    rules={[{ required: true, message: t('common.required') }]}
                  >
                    <Select showSearch={{ optionFilterProp: 'label' }} options={options(place)} />
                  </Form.Item>
                  <Button
                    type="text"
                    icon={<DeleteOutlined />}
                    disabled={fields.length === 1}
                    aria-label={t('routes.removeTarget', { place: place + 1 })}
                    onClick={() => remove(place)}
                  />
                </div>
                <div className={own.numbers}>
                  <Form.Item name={[place, 'priority']} label={t('routes.priority')}>
                    <InputNumber min={1} max={100} precision={0} style={{ width: '100%' }} />
                  </Form.Item>
                  <Form.Item name={[place, 'weight']} label={t('routes.weight')}>
                    <InputNumber min={1} max={1000} precision={0} style={{ width: '100%' }} />
                  </Form.Item>
                  {kind !== 'embedding' && ability(place, 'tools')}
                  {kind !== 'embedding' && ability(place, 'images')}
                </div>
              </div>
            ))}
            <Form.ErrorList errors={errors} />
            {fields.length < 20 && (
              <Button
                block
                type="dashed"
                icon={<PlusOutlined />}
                onClick={() => {
                  const rows = (form.getFieldValue('targets') ?? []) as RouteValues['targets'];
                  add({ priority: Math.min(100, Math.max(0, ...rows.map((row) => row?.priority ?? 1)) + 1), weight: 1 });
                }}
              >
                {t('routes.addTarget')}
              </Button>
            )}
          </>
        )}
      </Form.List>
    </>
  );
}
