import { InboxOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { AutoComplete, Button, Checkbox, Collapse, Form, Input, InputNumber, Select, Upload, type UploadFile } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { catalogueQuery, providersQuery } from '@/api/gateway';
import type { useReconcile } from '@/api/traffic';
import { ErrorState } from '@/components/states';
import { timezones } from '@/lib/timezones';
import styles from '@/features/gateway/gateway.module.css';

const FIELDS = ['date', 'model', 'prompt_tokens', 'completion_tokens', 'cached_tokens', 'cost'] as const;

interface Values {
  files?: UploadFile[];
  provider?: string;
  timezone: string;
  tolerance_tokens?: number | null;
  tolerance_cost?: string | null;
  tolerance_percent?: string | null;
  undated: boolean;
  columns?: Partial<Record<(typeof FIELDS)[number], string>>;
}

/** Which file, whose it is, and what difference is none. */
export function BillForm({ compare }: { compare: ReturnType<typeof useReconcile> }) {
  const { t } = useTranslation();
  const kinds = useQuery(catalogueQuery);
  const providers = useQuery(providersQuery);
  const zones = useMemo(() => timezones('UTC'), []);
  const submit = ({ files, columns = {}, tolerance_tokens, tolerance_cost, tolerance_percent, ...rest }: Values) => {
    const file = files?.[0]?.originFileObj;
    if (!file) return;
    const map = FIELDS.flatMap((ours) => (columns[ours]?.trim() ? [`${ours}=${columns[ours].trim()}`] : [])).join(';');
    compare.mutate({
      file,
      ...rest,
      ...(map ? { map } : {}),
      ...(tolerance_tokens == null ? {} : { tolerance_tokens }),
      ...(tolerance_cost ? { tolerance_cost } : {}),
      ...(tolerance_percent ? { tolerance_percent } : {}),
    });
  };
  const sources = [
    ...(kinds.data?.items ?? []).filter(({ name }) => name !== 'local').map(({ name, display_name }) => ({ value: name, label: display_name })),
    ...(providers.data?.items ?? []).map(({ name }) => ({ value: name, label: name })),
  ];
  const amount = (name: 'tolerance_cost' | 'tolerance_percent', label: string) => (
    <Form.Item name={name} label={label}>
      <InputNumber<string> stringMode min="0" style={{ width: '100%' }} />
    </Form.Item>
  );
  return (
    <Form<Values> layout="vertical" initialValues={{ timezone: 'UTC', undated: false, tolerance_tokens: 0, tolerance_cost: '0.01', tolerance_percent: '0' }} onFinish={submit}>
      <Form.Item
        name="files"
        label={t('bill.file')}
        valuePropName="fileList"
        getValueFromEvent={({ fileList }: { fileList: UploadFile[] }) => fileList.slice(-1)}
        rules={[{ required: true, type: 'array', min: 1, message: t('common.required') }]}
      >
        <Upload.Dragger accept=".csv,.tsv,.txt,text/csv" beforeUpload={() => false} multiple={false}>
          <p className="ant-upload-drag-icon">
            <InboxOutlined />
          </p>
          <p className="ant-upload-text">{t('bill.choose')}</p>
          <p className="ant-upload-hint">{t('bill.chooseHint')}</p>
        </Upload.Dragger>
      </Form.Item>
      <div className={styles.pair}>
        <Form.Item name="provider" label={t('bill.provider')}>
          <AutoComplete allowClear placeholder={t('bill.allProviders')} options={sources} showSearch={{ filterOption: (input, option) => `${option?.label} ${option?.value}`.toLowerCase().includes(input.toLowerCase()) }} />
        </Form.Item>
        <Form.Item name="timezone" label={t('bill.timezone')}>
          <Select showSearch={{ optionFilterProp: 'search' }} options={zones} />
        </Form.Item>
      </div>
      <Form.Item name="undated" valuePropName="checked">
        <Checkbox>{t('bill.undated')}</Checkbox>
      </Form.Item>
      <Collapse
        style={{ marginBottom: 20 }}
        items={[
          {
            key: 'tolerances',
            label: t('bill.tolerances'),
            forceRender: true,
            children: (
              <div className={styles.pair}>
                <Form.Item name="tolerance_tokens" label={t('bill.tokens')}>
                  <InputNumber min={0} precision={0} style={{ width: '100%' }} />
                </Form.Item>
                {amount('tolerance_cost', t('bill.cost'))}
                {amount('tolerance_percent', t('bill.percent'))}
              </div>
            ),
          },
          {
            key: 'columns',
            label: t('bill.columns'),
            forceRender: true,
            children: (
              <>
                <p className={styles.muted}>{t('bill.columnsHint')}</p>
                <div className={styles.pair}>
                  {FIELDS.map((field) => (
                    <Form.Item key={field} name={['columns', field]} label={t(`bill.fields.${field}`)}>
                      <Input maxLength={200} />
                    </Form.Item>
                  ))}
                </div>
              </>
            ),
          },
        ]}
      />
      {compare.isError && (
        <div className={styles.filter}>
          <ErrorState error={compare.error} />
        </div>
      )}
      <Button type="primary" htmlType="submit" loading={compare.isPending}>
        {t('bill.compare')}
      </Button>
    </Form>
  );
}
