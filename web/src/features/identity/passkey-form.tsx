import { Form, Input, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { registerPasskey, useFactorAct } from '@/api/account';
import type { NewPasskey } from '@/api/types';
import { describeDevice } from '@/lib/device';
import { useConfirmed, useTellFailure } from './confirm-identity';

interface PasskeyFormProps {
  open: boolean;
  onClose: () => void;
  onMade: (made: NewPasskey) => void;
}

/** Names a new passkey and has the browser make it. */
export function PasskeyForm({ open, onClose, onMade }: PasskeyFormProps) {
  const { t } = useTranslation();
  const confirmed = useConfirmed();
  const tellFailure = useTellFailure();
  const [form] = Form.useForm<{ name: string }>();
  const register = useFactorAct<NewPasskey>();
  const submit = ({ name }: { name: string }) =>
    register.mutate(() => confirmed(() => registerPasskey(name.trim())), { onSuccess: onMade, onError: tellFailure });
  return (
    <Modal
      open={open}
      title={t('passkeys.add')}
      okText={t('passkeys.create')}
      cancelText={t('common.cancel')}
      confirmLoading={register.isPending}
      onOk={() => form.submit()}
      onCancel={onClose}
      destroyOnHidden
    >
      <Form
        form={form}
        layout="vertical"
        requiredMark={false}
        preserve={false}
        initialValues={{ name: describeDevice(navigator.userAgent) }}
        onFinish={submit}
      >
        <Form.Item
          name="name"
          label={t('passkeys.name')}
          extra={t('passkeys.nameHint')}
          rules={[{ required: true, whitespace: true, message: t('common.required') }]}
        >
          <Input maxLength={100} autoFocus />
        </Form.Item>
      </Form>
    </Modal>
  );
}
