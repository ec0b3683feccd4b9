import { Alert, Form, Input, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { useUpdateUser, type UserChange } from '@/api/people';
import type { User } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import styles from './admin.module.css';
import { useAct } from '@/lib/use-act';

const FIELDS = ['display_name', 'first_name', 'last_name', 'organization', 'department', 'position'] as const;

/** Changes what is said of a person. */
export function ProfileForm({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<UserChange>();
  const errors = useFormErrors(form);
  const update = useUpdateUser();
  const { said } = useAct();
  const labels = {
    display_name: t('profile.displayName'),
    first_name: t('people.firstName'),
    last_name: t('people.lastName'),
    organization: t('people.organization'),
    department: t('people.department'),
    position: t('people.position'),
  };
  const submit = () =>
    update.mutate(
      { id: user.id, ...form.getFieldsValue() },
      {
        onSuccess: () => {
          said().onSuccess();
          onClose();
        },
        onError: errors.show,
      },
    );
  return (
    <Modal
      open
      title={t('people.edit')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={update.isPending}
      onOk={submit}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form
        form={form}
        layout="vertical"
        onFinish={submit}
        initialValues={Object.fromEntries(FIELDS.map((field) => [field, user[field] ?? '']))}
      >
        {FIELDS.map((field) => (
          <Form.Item key={field} name={field} label={labels[field]}>
            <Input maxLength={100} autoComplete="off" />
          </Form.Item>
        ))}
      </Form>
    </Modal>
  );
}
