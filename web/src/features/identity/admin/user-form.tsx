import { Alert, Form, Input, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { useCreateUser, type NewUser } from '@/api/people';
import { useFormErrors } from '@/lib/use-form-errors';
import { MIN_PASSWORD, passwordRules } from '@/features/identity/rules';
import styles from './admin.module.css';
import { RoleSelect } from './role-select';
import { useAct } from '@/lib/use-act';

export function UserForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<NewUser>();
  const errors = useFormErrors(form);
  const create = useCreateUser();
  const { said } = useAct();
  const submit = async () => {
    const { display_name, ...values } = await form.validateFields();
    create.mutate(
      { ...values, ...(display_name ? { display_name } : {}) },
      {
        onSuccess: () => {
          said().onSuccess();
          onClose();
        },
        onError: errors.show,
      },
    );
  };
  const required = { required: true, message: t('common.required') };
  return (
    <Modal
      open
      title={t('users.create')}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={create.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form form={form} layout="vertical" initialValues={{ roles: ['user'] }}>
        <Form.Item name="username" label={t('identity.username')} rules={[required]}>
          <Input maxLength={64} autoFocus autoComplete="off" />
        </Form.Item>
        <Form.Item
          name="email"
          label={t('identity.email')}
          rules={[required, { type: 'email', message: t('identity.emailInvalid') }]}
        >
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
          <RoleSelect />
        </Form.Item>
      </Form>
    </Modal>
  );
}
