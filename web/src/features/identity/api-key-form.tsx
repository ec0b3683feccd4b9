import { Alert, Form, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useCreateApiKey } from '@/api/identity';
import { CopyButton } from '@/components/copy-button';
import { useDescribe } from '@/lib/use-describe';
import styles from './api-keys.module.css';

interface FormValues {
  name: string;
  days: number;
}

const DAY = 86_400_000;

/** Makes a key and shows it the only time it can be seen. */
export function ApiKeyForm({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const [form] = Form.useForm<FormValues>();
  const create = useCreateApiKey();
  const [secret, setSecret] = useState<string>();
  const close = () => {
    setSecret(undefined);
    create.reset();
    onClose();
  };
  const submit = async () => {
    const { name, days } = await form.validateFields();
    const expires = days > 0 ? { expires_at: new Date(Date.now() + days * DAY).toISOString() } : {};
    create.mutate({ name: name.trim(), ...expires }, { onSuccess: (created) => setSecret(created.key) });
  };
  if (secret !== undefined) {
    return (
      <Modal open={open} title={t('keys.made')} okText={t('common.done')} onOk={close} onCancel={close} cancelButtonProps={{ hidden: true }} mask={{ closable: false }}>
        <Alert type="warning" showIcon title={t('keys.once')} />
        <div className={styles.secret}>
          <code data-testid="api-key">{secret}</code>
          <CopyButton text={secret} labelled type="primary" size="middle" />
        </div>
      </Modal>
    );
  }
  return (
    <Modal
      open={open}
      title={t('keys.create')}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={create.isPending}
      onOk={() => void submit()}
      onCancel={close}
      destroyOnHidden
    >
      <Form form={form} layout="vertical" preserve={false} initialValues={{ days: 90 }} onFinish={() => void submit()}>
        {create.isError && <Alert type="error" showIcon title={describe(create.error)} />}
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
      </Form>
    </Modal>
  );
}
