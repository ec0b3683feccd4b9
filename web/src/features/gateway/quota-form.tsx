import { Alert, Form, InputNumber, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { quotaPath, scopeOf, useSetQuota, type QuotaScope } from '@/api/limits';
import type { Quota } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import { timezones } from '@/lib/timezones';
import styles from './gateway.module.css';
import { fromAmounts, toAmounts, type Amounts } from './quota-units';
import { SubjectFields, type Subject } from '@/components/subject-fields';

type Values = Subject<QuotaScope> & Amounts & { timezone?: string };

/** What may be used in a month. */
export function QuotaForm({ quota, onClose }: { quota: Quota | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Values>();
  const errors = useFormErrors(form);
  const set = useSetQuota();
  const watched = Form.useWatch('scope', form) as QuotaScope | undefined;
  const scope = quota ? (scopeOf(quota.scope) as QuotaScope) : (watched ?? 'users');
  const submit = async () => {
    const { subject, timezone, ...amounts } = await form.validateFields();
    const body = { ...fromAmounts(amounts), ...(scope === 'groups' && timezone ? { timezone } : {}) };
    set.mutate(
      { path: quotaPath(scope, quota?.subject_id ?? subject), body },
      { onSuccess: onClose, onError: errors.show },
    );
  };
  const amount = (name: keyof Amounts, label: string, precision: number, max: number) => (
    <Form.Item name={name} label={label}>
      <InputNumber min={0} max={max} precision={precision} style={{ width: '100%' }} placeholder={t('limits.unlimited')} />
    </Form.Item>
  );
  return (
    <Modal
      open
      title={quota ? t('limits.quotaOf', { name: quota.label ?? quota.subject_id }) : t('limits.addQuota')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={set.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <Form
        form={form}
        layout="vertical"
        initialValues={{
          scope: 'users',
          timezone: quota?.timezone ?? 'UTC',
          ...(quota ? toAmounts(quota.resources) : {}),
        }}
      >
        {!quota && <SubjectFields scopes={['users', 'groups', 'api-keys']} />}
        <p className={styles.muted}>{t('limits.quotaHint')}</p>
        <div className={styles.pair}>
          {amount('max_api_calls', t('limits.calls'), 0, 1e15)}
          {amount('max_tokens', t('limits.monthTokens'), 0, 1e15)}
          {amount('max_cost', t('limits.dollars'), 2, 999_999_999)}
          {amount('hours', t('limits.hours'), 2, 1e9)}
          {amount('gigabytes', t('limits.gigabytes'), 3, 1e6)}
        </div>
        {scope === 'groups' && (
          <Form.Item name="timezone" label={t('limits.timezone')} extra={t('limits.timezoneHint')}>
            <Select showSearch={{ optionFilterProp: 'search' }} options={timezones(quota?.timezone ?? 'UTC')} />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
