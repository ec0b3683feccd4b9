import { Alert, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useCreateApiKey } from '@/api/identity';
import { AddressField, limitedTo, ModelsField, RightsField, SecretModal, USUAL_RIGHTS } from './api-key-fields';
import { useFormErrors } from '@/lib/use-form-errors';

interface FormValues {
  name: string;
  days: number;
  permissions: string[];
  allowed_addresses?: string[];
  limited: boolean;
  models?: string[];
}

const DAY = 86_400_000;

/** Makes a key and shows it the only time it can be seen. */
export function ApiKeyForm({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<FormValues>();
  const errors = useFormErrors(form);
  const create = useCreateApiKey();
  const [secret, setSecret] = useState<string>();
  const close = () => {
    setSecret(undefined);
    errors.clear();
    onClose();
  };
  const submit = async () => {
    const { name, days, limited, models, ...rest } = await form.validateFields();
    const expires = days > 0 ? { expires_at: new Date(Date.now() + days * DAY).toISOString() } : {};
    create.mutate(
      { name: name.trim(), models: limitedTo(limited, models), ...rest, ...expires },
      { onSuccess: (created) => setSecret(created.key), onError: errors.show },
    );
  };
  if (secret !== undefined) return <SecretModal secret={secret} onClose={close} />;
  return (
    <Modal
      open={open}
      title={t('keys.create')}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={create.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={close}
      destroyOnHidden
    >
      <Form form={form} layout="vertical" preserve={false} initialValues={{ days: 90, permissions: USUAL_RIGHTS, limited: false }} onFinish={() => void submit().catch(() => undefined)}>
        {errors.general && <Alert type="error" showIcon title={errors.general} />}
        <Form.Item name="name" label={t('keys.name')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
          <Input maxLength={100} autoFocus placeholder={t('keys.namePlaceholder')} />
        </Form.Item>
        <Form.Item name="days" label={t('keys.expires')}>
          <Select
            options={[
              ...[7, 30, 90, 365].map((count) => ({ value: count, label: t('keys.days', { count }) })),
              { value: 0, label: t('keys.never') },
            ]}
          />
        </Form.Item>
        <RightsField />
        <ModelsField />
        <AddressField />
      </Form>
    </Modal>
  );
}
