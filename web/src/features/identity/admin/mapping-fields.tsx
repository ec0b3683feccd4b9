import { DeleteOutlined, PlusOutlined } from '@ant-design/icons';
import { AutoComplete, Button, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import styles from './admin.module.css';

export interface Pair {
  from: string;
  to: string;
}

export const toPairs = (map: Record<string, string>): Pair[] => Object.entries(map).map(([from, to]) => ({ from, to }));

export const fromPairs = (pairs: Pair[] = []): Record<string, string> =>
  Object.fromEntries(pairs.map(({ from, to }) => [from.trim(), to.trim()]));

interface MappingFieldsProps {
  name: 'roles' | 'groups';
  label: string;
  /** What the right side names. */
  to: string;
  options: string[];
}

/** What entries of a claim stand for here. */
export function MappingFields({ name, label, to, options }: MappingFieldsProps) {
  const { t } = useTranslation();
  const rules = [{ required: true, whitespace: true, message: t('common.required') }];
  return (
    <Form.Item label={label} extra={t('signInProviders.mapHint')}>
      <Form.List name={name}>
        {(fields, { add, remove }, { errors }) => (
          <>
            {fields.map((field) => (
              <div key={field.key} className={styles.mapping}>
                <Form.Item name={[field.name, 'from']} rules={rules}>
                  <Input
                    maxLength={255}
                    placeholder={t('signInProviders.entry')}
                    aria-label={`${label}: ${t('signInProviders.entry')}`}
                  />
                </Form.Item>
                <Form.Item name={[field.name, 'to']} rules={rules}>
                  <AutoComplete
                    placeholder={to}
                    aria-label={`${label}: ${to}`}
                    showSearch={{ filterOption: true }}
                    options={options.map((value) => ({ value }))}
                  />
                </Form.Item>
                <Button
                  type="text"
                  icon={<DeleteOutlined />}
                  aria-label={t('signInProviders.removeEntry')}
                  onClick={() => remove(field.name)}
                />
              </div>
            ))}
            <Button icon={<PlusOutlined />} onClick={() => add({ from: '', to: '' })}>
              {t('signInProviders.add')}
            </Button>
            <Form.ErrorList errors={errors} />
          </>
        )}
      </Form.List>
    </Form.Item>
  );
}
