import { Alert, Form, Input, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { useSaveGroup } from '@/api/people';
import type { Group } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import styles from './admin.module.css';

export function GroupForm({ group, onClose }: { group: Group | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const [form] = Form.useForm<{ name: string; description?: string }>();
  const errors = useFormErrors(form);
  const save = useSaveGroup();
  const submit = async () => {
    const values = await form.validateFields();
    save.mutate(group ? { id: group.id, ...values } : values, { onSuccess: onClose, onError: errors.show });
  };
  return (
    <Modal
      open
      title={group ? t('groups.edit') : t('groups.create')}
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
        initialValues={{ name: group?.name, description: group?.description ?? '' }}
      >
        <Form.Item
          name="name"
          label={t('groups.name')}
          rules={[{ required: true, whitespace: true, message: t('common.required') }]}
        >
          <Input maxLength={100} autoFocus />
        </Form.Item>
        <Form.Item name="description" label={t('groups.description')}>
          <Input.TextArea maxLength={1000} autoSize={{ minRows: 2, maxRows: 6 }} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
