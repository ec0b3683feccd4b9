import { Form, InputNumber, Switch } from 'antd';
import { useTranslation } from 'react-i18next';

/** Whether a model's answers are kept for who asks the same again, and for how long. */
export function CacheField() {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const on = Form.useWatch('cache', form) === true;
  return (
    <>
      <Form.Item name="cache" valuePropName="checked" label={t('answerCache.label')} extra={t('answerCache.hint')}>
        <Switch />
      </Form.Item>
      <Form.Item
        name="cache_seconds"
        label={t('answerCache.seconds')}
        hidden={!on}
        rules={[{ type: 'integer', min: 1, max: 86400, message: t('answerCache.range') }]}
      >
        <InputNumber min={1} max={86400} precision={0} style={{ width: '100%' }} />
      </Form.Item>
    </>
  );
}
