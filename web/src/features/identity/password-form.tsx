import { Alert, App, Button, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { useChangePassword } from '@/api/identity';
import styles from './profile.module.css';
import { MIN_PASSWORD, passwordRules } from './rules';
import { useFormErrors } from '@/lib/use-form-errors';

export function PasswordForm() {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const [form] = Form.useForm<{ current?: string; new: string }>();
  const change = useChangePassword();
  const errors = useFormErrors(form);
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      className={styles.form}
      onFinish={(values) =>
        change.mutate(values, {
          onSuccess: () => {
            form.resetFields();
            errors.clear();
            void toast.success(t('profile.passwordChanged'));
          },
          onError: errors.show,
        })
      }
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <Form.Item name="current" label={t('profile.currentPassword')} extra={t('profile.currentPasswordHint')}>
        <Input.Password autoComplete="current-password" />
      </Form.Item>
      <Form.Item
        name="new"
        label={t('profile.newPassword')}
        extra={t('identity.passwordHint', { count: MIN_PASSWORD })}
        rules={passwordRules(t)}
      >
        <Input.Password autoComplete="new-password" />
      </Form.Item>
      <Button htmlType="submit" loading={change.isPending}>
        {t('profile.changePassword')}
      </Button>
    </Form>
  );
}
