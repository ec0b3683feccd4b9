import { useQuery } from '@tanstack/react-query';
import { Alert, Form, Input, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { issuersQuery } from '@/api/access';
import { useCreateScimToken, useUpdateScimToken } from '@/api/provisioning';
import type { ScimToken } from '@/api/types';
import { usePermits } from '@/components/use-permits';
import { useFormErrors } from '@/lib/use-form-errors';
import styles from './admin.module.css';
import { ScimSecret } from './scim-token-secret';

interface FormValues {
  name: string;
  oidc_provider_id?: string | null;
  days?: number;
}

interface FormProps {
  token: ScimToken | undefined;
  address: string;
  onClose: () => void;
}

const DAY = 86_400_000;

/** Makes a token, or changes its name and where its people sign in. */
export function ScimTokenForm({ token, address, onClose }: FormProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const [form] = Form.useForm<FormValues>();
  const errors = useFormErrors(form);
  const create = useCreateScimToken();
  const update = useUpdateScimToken();
  const issuers = useQuery({ ...issuersQuery, enabled: may('oidc_provider:read') });
  const submit = async () => {
    const { name, oidc_provider_id, days = 0 } = await form.validateFields();
    const body = { name: name.trim(), oidc_provider_id: oidc_provider_id ?? null };
    if (token) {
      update.mutate({ id: token.id, ...body }, { onSuccess: onClose, onError: errors.show });
      return;
    }
    const expires = days > 0 ? { expires_at: new Date(Date.now() + days * DAY).toISOString() } : {};
    create.mutate({ ...body, ...expires }, { onError: errors.show });
  };
  const send = () => void submit().catch(() => undefined);
  if (create.data) return <ScimSecret made={create.data} address={address} onClose={onClose} />;
  return (
    <Modal
      open
      title={token ? t('provisioning.edit') : t('provisioning.create')}
      okText={token ? t('common.save') : t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={create.isPending || update.isPending}
      onOk={send}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form
        form={form}
        layout="vertical"
        initialValues={{ name: token?.name ?? '', oidc_provider_id: token?.oidc_provider_id ?? null, days: 365 }}
        onFinish={send}
      >
        <Form.Item
          name="name"
          label={t('provisioning.name')}
          rules={[{ required: true, whitespace: true, message: t('common.required') }]}
        >
          <Input maxLength={100} autoFocus placeholder={t('provisioning.namePlaceholder')} />
        </Form.Item>
        <Form.Item name="oidc_provider_id" label={t('provisioning.issuer')} extra={t('provisioning.issuerHint')}>
          <Select
            allowClear
            loading={issuers.isFetching}
            placeholder={t('provisioning.noIssuer')}
            options={(issuers.data?.items ?? []).map((issuer) => ({ value: issuer.id, label: issuer.name }))}
            notFoundContent={t('signInProviders.empty')}
          />
        </Form.Item>
        {!token && (
          <Form.Item name="days" label={t('keys.expires')} extra={t('provisioning.expiresHint')}>
            <Select
              options={[
                ...[90, 180, 365, 730].map((count) => ({ value: count, label: t('keys.days', { count }) })),
                { value: 0, label: t('keys.never') },
              ]}
            />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
