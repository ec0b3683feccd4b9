import { useQuery } from '@tanstack/react-query';
import { Alert, AutoComplete, Checkbox, Form, Input, InputNumber, Modal, Radio, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { knownModelQuery, offeredModelsQuery, providersQuery, useSaveModel, type ModelInput } from '@/api/gateway';
import type { Model } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import { useFormat } from '@/lib/use-format';
import { useDescribe } from '@/lib/use-describe';
import styles from './gateway.module.css';
import { CacheField } from './cache-field';
import { KnownNote } from './known-note';
import { PayloadField } from './payload-field';
import { PRICES, toTiers, USUAL, type Price } from './price-names';
import { useSuggestion } from './suggestion';
import { PriceInput } from './price-input';
import { TiersField } from './tiers-field';

interface ModelFormProps {
  providerId?: string | undefined;
  model?: Model | undefined;
  onClose: () => void;
}

/** Adds a provider's model for use, or changes one. */
export function ModelForm({ providerId, model, onClose }: ModelFormProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const format = useFormat();
  const [form] = Form.useForm<ModelInput>();
  const errors = useFormErrors(form);
  const save = useSaveModel();
  const providers = useQuery(providersQuery);
  // Undefined until the form stands.
  const watched = Form.useWatch('provider_config_id', form) as string | undefined;
  const provider = watched ?? providerId;
  const kind = Form.useWatch('kind', form) as string | undefined;
  const typed = Form.useWatch('model', form) as string | undefined;
  const [named, setNamed] = useState('');
  const offered = useQuery({ ...offeredModelsQuery(provider ?? ''), enabled: provider !== undefined && !model });
  const known = useQuery({ ...knownModelQuery(provider ?? '', named), enabled: provider !== undefined && named !== '' });
  useSuggestion(form, known.data);
  const most = known.data?.max_output_tokens;
  const absent = (usual?: Price) => (usual ? t('prices.as', { name: t(`prices.${usual}`) }) : t('prices.unknown'));
  const submit = async () => {
    const { provider_config_id, model: name, kind, tiers, ...values } = await form.validateFields();
    // Its absence says that a price is unknown; in a change, null takes away what was set.
    const said = ([, value]: [string, unknown]) => value !== '' && (value !== null || model !== undefined);
    const rest = Object.fromEntries(Object.entries(values as Record<string, unknown>).filter(said));
    const long = tiers?.length ? { tiers: toTiers(tiers) } : {};
    save.mutate(model ? { id: model.id, ...rest } : { provider_config_id, model: name, kind, ...rest, ...long }, {
      onSuccess: onClose,
      onError: errors.show,
    });
  };
  const required = { required: true, whitespace: true, message: t('common.required') };
  return (
    <Modal
      open
      title={model ? t('models.edit') : t('models.create')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      <Form
        form={form}
        layout="vertical"
        onFinish={() => void submit().catch(() => undefined)}
        initialValues={{
          provider_config_id: providerId ?? model?.provider_config_id ?? undefined,
          kind: model?.kind ?? 'chat',
          model: model?.model,
          name: model?.name,
          context_length: model?.context_length ?? undefined,
          max_tokens: model?.max_tokens ?? undefined,
          temperature: model?.temperature ?? undefined,
          log_payloads: model?.log_payloads ?? 'off',
          cache: model?.cache ?? false,
          cache_seconds: model?.cache_seconds ?? 600,
          is_default: model?.is_default ?? false,
        }}
      >
        {errors.general && <Alert type="error" showIcon title={errors.general} />}
        <Form.Item name="provider_config_id" label={t('models.provider')} rules={[required]} hidden={providerId !== undefined || model !== undefined}>
          <Select
            loading={providers.isPending}
            options={(providers.data?.items ?? []).map((item) => ({ value: item.id, label: item.name }))}
          />
        </Form.Item>
        <Form.Item
          name="model"
          label={t('models.model')}
          rules={[required]}
          extra={offered.isError ? describe(offered.error) : t('models.modelHint')}
        >
          <AutoComplete
            disabled={model !== undefined}
            options={(offered.data?.items ?? []).map((item) => ({ value: item.id }))}
            showSearch={{ filterOption: (input, option) => (option?.value ?? '').toLowerCase().includes(input.toLowerCase()) }}
            onBlur={() => {
              if (typed?.trim()) setNamed(typed.trim());
            }}
            onSelect={(value: string) => {
              setNamed(value);
              if (!form.getFieldValue('name')) form.setFieldValue('name', value);
            }}
          />
        </Form.Item>
        <Form.Item name="name" label={t('models.name')} rules={[required]}>
          <Input maxLength={100} />
        </Form.Item>
        <Form.Item name="kind" label={t('models.kind')} hidden={model !== undefined}>
          <Radio.Group
            options={[
              { value: 'chat', label: t('models.kinds.chat') },
              { value: 'embedding', label: t('models.kinds.embedding') },
            ]}
          />
        </Form.Item>
        {known.data && <KnownNote known={known.data} />}
        <Form.Item name="context_length" label={t('known.context')}>
          <InputNumber min={1} max={100_000_000} precision={0} style={{ width: '100%' }} />
        </Form.Item>
        <Form.Item
          name="max_tokens"
          label={t('models.maxTokens')}
          extra={most == null ? undefined : t('known.most', { tokens: format.number(most) })}
        >
          <InputNumber min={1} max={1_000_000} style={{ width: '100%' }} />
        </Form.Item>
        <Form.Item name="temperature" label={t('models.temperature')}>
          <InputNumber min={0} max={2} step={0.1} style={{ width: '100%' }} />
        </Form.Item>
        {!model && (
          <div className={styles.pair}>
            {PRICES[kind === 'embedding' ? 'embedding' : 'chat'].map((price) => (
              <Form.Item key={price} name={price} label={t(`prices.${price}`)} extra={t('prices.unit')}>
                <PriceInput placeholder={absent(USUAL[price])} />
              </Form.Item>
            ))}
          </div>
        )}
        {!model && kind !== 'embedding' && <TiersField from={known.data?.prices_up_to} />}
        <CacheField />
        <PayloadField />
        {(!model || model.available || model.is_default) && (
          <Form.Item name="is_default" valuePropName="checked">
            <Checkbox>{t('models.makeDefault')}</Checkbox>
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
