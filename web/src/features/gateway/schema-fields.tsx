import { Collapse, Form, Input, InputNumber, Select } from 'antd';
import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import type { JsonSchema } from '@/api/types';
import { fromRows, HeadersField, type HeaderRow } from './headers-field';

/** Fields of the provider's own that have their place in the form already. */
const KNOWN = new Set(['base_url', 'api_key']);

/** Schemas come in English; a text of ours goes before, and a field that came later shows its own. */
const text = (t: TFunction, key: string, fallback: string | undefined) =>
  t(key as 'providers.more', { defaultValue: fallback ?? '' });

const labelOf = (t: TFunction, name: string, field: JsonSchema) =>
  text(t, `providerFields.${name}.label`, '') || text(t, `providers.fields.${name}`, field.title ?? name);

const isRegion = (field: JsonSchema) => field['x-base-urls'] !== undefined;

/** A setting of the provider's own. Its default is shown and not sent, so that a later one holds, too. */
function Control({
  name,
  field,
  onPick,
  ...given
}: {
  name: string;
  field: JsonSchema;
  onPick: (value: string) => void;
}) {
  const { t } = useTranslation();
  if (field.enum) {
    const options = field.enum.map((value) => ({
      value: value as string,
      label: text(t, `providerFields.${name}.values.${String(value)}`, String(value)),
    }));
    const usual = options.find(({ value }) => value === field.default)?.label;
    // A region has put its address into the form, so it is replaced, not taken away.
    return <Select {...given} allowClear={!isRegion(field)} placeholder={usual} options={options} onSelect={onPick} />;
  }
  if (field.type === 'boolean') {
    // Not saying anything is a third answer.
    const usual = field.default === undefined ? 'unset' : field.default === true ? 'yes' : 'no';
    return (
      <Select
        {...given}
        allowClear
        placeholder={t(`providerFields.${usual}`)}
        options={[
          { value: true, label: t('providerFields.yes') },
          { value: false, label: t('providerFields.no') },
        ]}
      />
    );
  }
  if (field.type === 'integer' || field.type === 'number') {
    return (
      <InputNumber
        {...given}
        min={field.minimum ?? Number.MIN_SAFE_INTEGER}
        max={field.maximum ?? Number.MAX_SAFE_INTEGER}
        precision={field.type === 'integer' ? 0 : undefined}
        placeholder={typeof field.default === 'number' ? String(field.default) : undefined}
        style={{ width: '100%' }}
      />
    );
  }
  const length = field.maxLength === undefined ? {} : { maxLength: field.maxLength };
  if (field.format === 'password') return <Input.Password {...given} {...length} autoComplete="off" />;
  return <Input {...given} {...length} placeholder={typeof field.default === 'string' ? field.default : undefined} />;
}

interface SchemaFieldsProps {
  schema: JsonSchema;
  /** The headers that are set already. */
  headers: HeaderRow[];
  /** A value was chosen that stands for an address. */
  onBaseUrl: (url: string) => void;
}

/** A provider's further settings, as its configuration schema describes them. */
export function SchemaFields({ schema, headers, onBaseUrl }: SchemaFieldsProps) {
  const { t } = useTranslation();
  const fields = Object.entries(schema.properties ?? {}).filter(([name]) => !KNOWN.has(name));
  if (fields.length === 0) return null;
  const item = ([name, field]: [string, JsonSchema]) => {
    if (name === 'headers') return <HeadersField key={name} kept={headers} />;
    return (
      <Form.Item
        key={name}
        name={['config', name]}
        label={labelOf(t, name, field)}
        extra={text(t, `providerFields.${name}.hint`, field.description) || undefined}
        rules={[{ required: schema.required?.includes(name) ?? false, message: t('common.required') }]}
      >
        <Control
          name={name}
          field={field}
          onPick={(value) => {
            const url = field['x-base-urls']?.[value];
            if (url) onBaseUrl(url);
          }}
        />
      </Form.Item>
    );
  };
  const more = fields.filter(([, field]) => !isRegion(field));
  return (
    <>
      {fields.filter(([, field]) => isRegion(field)).map(item)}
      {more.length > 0 && (
        <Collapse
          ghost
          size="small"
          items={[{ key: 'more', label: t('providers.more'), children: more.map(item), forceRender: true }]}
        />
      )}
    </>
  );
}

/** Settings that are set: an emptied field says nothing. */
export function cleanConfig({ headers, ...config }: Record<string, unknown> = {}): Record<string, unknown> {
  const rows = (headers ?? []) as HeaderRow[];
  const all: Record<string, unknown> = { ...config, headers: rows.length > 0 ? fromRows(rows) : undefined };
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  );
}
