import { Alert, Form, Radio } from 'antd';
import { useTranslation } from 'react-i18next';
import type { LogPayloads } from '@/api/types';

/** Whether a model keeps what it is asked and answers, with a warning where it does. */
export function PayloadField() {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const chosen = Form.useWatch('log_payloads', form) as LogPayloads | undefined;
  return (
    <>
      <Form.Item name="log_payloads" label={t('payloads.label')} extra={t('payloads.hint')}>
        <Radio.Group
          options={(['off', 'errors', 'all'] as const).map((value) => ({ value, label: t(`payloads.options.${value}`) }))}
        />
      </Form.Item>
      {chosen !== undefined && chosen !== 'off' && (
        <Alert
          type="warning"
          showIcon
          title={t('payloads.warning')}
          description={t('payloads.warningHint')}
          style={{ marginBottom: 20 }}
        />
      )}
    </>
  );
}
