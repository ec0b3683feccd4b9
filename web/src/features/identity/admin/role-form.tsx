import { Alert, Form, Input, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { useSaveRole, type RoleInput } from '@/api/access';
import type { Role } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import styles from './admin.module.css';
import { RightsPicker } from './rights-picker';

interface RoleFormProps {
  /** The role to change, or the one to copy where it has no id. */
  role: Partial<Pick<Role, 'id' | 'name' | 'description' | 'permissions'>>;
  onClose: () => void;
}

export function RoleForm({ role, onClose }: RoleFormProps) {
  const { t } = useTranslation();
  const [form] = Form.useForm<RoleInput>();
  const errors = useFormErrors(form);
  const save = useSaveRole();
  const submit = async () => {
    const values = await form.validateFields();
    save.mutate({ ...values, ...(role.id ? { id: role.id } : {}) }, { onSuccess: onClose, onError: errors.show });
  };
  return (
    <Modal
      open
      width={720}
      title={role.id ? t('roles.edit') : t('roles.create')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form
        form={form}
        layout="vertical"
        initialValues={{
          name: role.name ?? '',
          description: role.description ?? '',
          permissions: role.permissions ?? [],
        }}
      >
        <Form.Item
          name="name"
          label={t('roles.name')}
          extra={t('roles.nameHint')}
          rules={[
            { required: true, message: t('common.required') },
            { pattern: /^[a-z][a-z0-9_]*$/, message: t('roles.nameHint') },
          ]}
        >
          <Input maxLength={50} autoFocus autoComplete="off" spellCheck={false} />
        </Form.Item>
        <Form.Item name="description" label={t('roles.description')}>
          <Input maxLength={500} />
        </Form.Item>
        <Form.Item
          name="permissions"
          label={t('roles.rights')}
          rules={[{ type: 'array', required: true, min: 1, message: t('roles.noRight') }]}
        >
          <RightsPicker />
        </Form.Item>
      </Form>
    </Modal>
  );
}
