import { Collapse, Form, Input, InputNumber, Select, Switch } from 'antd';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import type { JsonSchema } from '@/api/types';

/** Fields of the provider's own that have their place in the form already. */
const KNOWN = new Set(['base_url', 'api_key']);

const TRANSLATED = [
  'embedding_batch_size',
  'first_byte_timeout_seconds',
  'idle_timeout_seconds',
  'organization',
  'project',
] as const;

/** Schemas come in English; the fields that the catalogue has today are named in both languages. */
function fieldLabel(name: string, t: TFunction): string | undefined {
  const known = TRANSLATED.find((field) => field === name);
  return known && t(`providers.fields.${known}`);
}

function control(schema: JsonSchema) {
  if (schema.enum) {
    return <Select allowClear options={schema.enum.map((value) => ({ value: value as string, label: String(value) }))} />;
  }
  if (schema.type === 'boolean') return <Switch />;
  if (schema.type === 'integer' || schema.type === 'number') {
    return (
      <InputNumber
        min={schema.minimum ?? Number.MIN_SAFE_INTEGER}
        max={schema.maximum ?? Number.MAX_SAFE_INTEGER}
        precision={schema.type === 'integer' ? 0 : undefined}
        style={{ width: '100%' }}
      />
    );
  }
  if (schema.format === 'password') return <Input.Password autoComplete="off" />;
  return <Input placeholder={typeof schema.default === 'string' ? schema.default : undefined} />;
}

/** A provider's further settings, as its configuration schema describes them. */
export function SchemaFields({ schema }: { schema: JsonSchema }) {
  const { t } = useTranslation();
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !KNOWN.has(name));
  if (fields.length === 0) return null;
  const items = fields.map(([name, field]) => (
    <Form.Item
      key={name}
      name={['config', name]}
      label={fieldLabel(name, t) ?? field.title ?? name}
      extra={field.description}
      initialValue={field.default}
      valuePropName={field.type === 'boolean' ? 'checked' : 'value'}
      rules={[{ required: schema.required?.includes(name) ?? false, message: t('common.required') }]}
    >
      {control(field)}
    </Form.Item>
  ));
  return (
    <Collapse
      ghost
      size="small"
      items={[{ key: 'more', label: t('providers.more'), children: items, forceRender: true }]}
    />
  );
}
