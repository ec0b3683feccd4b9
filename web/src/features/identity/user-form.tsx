import { Alert, Form, Input, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { useCreateUser, type NewUser } from '@/api/identity';
import { useDescribe } from '@/lib/use-describe';
import { MIN_PASSWORD, passwordRules } from './rules';

export function UserForm({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const [form] = Form.useForm<NewUser>();
  const create = useCreateUser();
  const close = () => {
    create.reset();
    onClose();
  };
  const submit = async () => create.mutate(await form.validateFields(), { onSuccess: close });
  const required = { required: true, message: t('common.required') };
  return (
    <Modal
      open={open}
      title={t('users.create')}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={create.isPending}
      onOk={() => void submit()}
      onCancel={close}
      destroyOnHidden
    >
      <Form form={form} layout="vertical" preserve={false} initialValues={{ roles: ['user'] }} onFinish={() => void submit()}>
        {create.isError && <Alert type="error" showIcon title={describe(create.error)} />}
        <Form.Item name="username" label={t('identity.username')} rules={[required]}>
          <Input maxLength={64} autoFocus autoComplete="off" />
        </Form.Item>
        <Form.Item name="email" label={t('identity.email')} rules={[required, { type: 'email', message: t('identity.emailInvalid') }]}>
          <Input type="email" maxLength={254} autoComplete="off" />
        </Form.Item>
        <Form.Item name="display_name" label={t('profile.displayName')}>
          <Input maxLength={100} autoComplete="off" />
        </Form.Item>
        <Form.Item
          name="password"
          label={t('users.initialPassword')}
          extra={t('identity.passwordHint', { count: MIN_PASSWORD })}
          rules={passwordRules(t)}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item name="roles" label={t('users.roles')} rules={[required]}>
          <Select mode="multiple" options={['admin', 'user'].map((value) => ({ value, label: value }))} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
