import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { Button, Flex, Form, Input, type FormInstance } from 'antd';
import { useTranslation } from 'react-i18next';
import type { ApiProblem } from '@/lib/problem';
import type { Place } from '@/lib/use-form-errors';

/** A header of a provider. The server tells no values: where none is typed, the one that is set stays. */
export interface HeaderRow {
  name: string;
  value?: string;
}

/** A row that was added a moment ago may be empty. */
type Rows = (HeaderRow | undefined)[];

const LIST = ['config', 'headers'];
/** As many as the server takes. */
const MOST = 20;

/** The headers of settings that came from the server. */
export const toRows = (config: unknown): HeaderRow[] =>
  Object.keys((config as { headers?: object } | undefined)?.headers ?? {}).map((name) => ({ name }));

export const fromRows = (rows: HeaderRow[] = []): Record<string, string | true> =>
  Object.fromEntries(rows.map(({ name, value }) => [name.trim(), value || true]));

const same = (one: string | undefined, other: string | undefined) =>
  one?.trim().toLowerCase() === other?.trim().toLowerCase();

/** Tells of headers that the server refused: in the row of the one that it names. */
export function useRefusedHeader<Values>(form: FormInstance<Values>): (problem: ApiProblem) => Place | undefined {
  const { t } = useTranslation();
  const path = LIST.join('.');
  return ({ field = '', detail }) => {
    if (field !== path && !field.startsWith(`${path}.`)) return undefined;
    const rows = ((form as FormInstance).getFieldValue(LIST) as Rows | undefined) ?? [];
    const row = rows.findIndex((other) => same(other?.name, field.slice(path.length + 1)));
    // The server begins with the path.
    const reason = detail.replace(/^config\.headers[.:]\s*/, '');
    return { name: row < 0 ? undefined : [...LIST, row, 'name'], text: t('providerFields.headers.refused', { reason }) };
  };
}

/** The headers that go with each request of a provider; `kept` are those that are set already. */
export function HeadersField({ kept }: { kept: HeaderRow[] }) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const label = t('providerFields.headers.label');
  const rows = (Form.useWatch(LIST, form) as Rows | undefined) ?? [];
  const labelOf = (index: number, part: string) => `${label} ${index + 1}: ${part}`;
  const isKept = (index: number) => kept.some((row) => same(row.name, rows[index]?.name));
  const once = (index: number) => ({
    validator: (_: unknown, name: string | undefined) => {
      const all = (form.getFieldValue(LIST) as Rows | undefined) ?? [];
      const twice = name && all.some((row, other) => other !== index && same(row?.name, name));
      return twice ? Promise.reject(new Error(t('providerFields.headers.twice'))) : Promise.resolve();
    },
  });
  return (
    <Form.Item label={label} extra={t('providerFields.headers.hint')}>
      <Form.List name={LIST}>
        {(fields, { add, remove }) => (
          <>
            {fields.map((field) => (
              <Flex key={field.key} gap={8} align="start">
                <Form.Item
                  name={[field.name, 'name']}
                  rules={[{ required: true, whitespace: true, message: t('common.required') }, once(field.name)]}
                  style={{ flex: 1 }}
                >
                  <Input
                    maxLength={100}
                    placeholder={t('providerFields.headers.name')}
                    aria-label={labelOf(field.name, t('providerFields.headers.name'))}
                  />
                </Form.Item>
                <Form.Item
                  name={[field.name, 'value']}
                  rules={[{ required: !isKept(field.name), whitespace: true, message: t('common.required') }]}
                  style={{ flex: 1 }}
                >
                  <Input.Password
                    autoComplete="off"
                    maxLength={1024}
                    placeholder={t(isKept(field.name) ? 'providerFields.headers.kept' : 'providerFields.headers.value')}
                    aria-label={labelOf(field.name, t('providerFields.headers.value'))}
                  />
                </Form.Item>
                <Button
                  type="text"
                  icon={<DeleteOutlined />}
                  aria-label={labelOf(field.name, t('providerFields.headers.remove'))}
                  onClick={() => remove(field.name)}
                />
              </Flex>
            ))}
            <Button icon={<PlusOutlined />} disabled={fields.length >= MOST} onClick={() => add({ name: '' })}>
              {t('providerFields.headers.add')}
            </Button>
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}
