import { useNavigate } from '@tanstack/react-router';
import { Alert, Button, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useDeleteAccount } from '@/api/account';
import { endSession } from '@/api/query-client';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';

const POINTS = ['ends', 'gone', 'restore', 'save'] as const;

/** Leaving the platform, with what follows from it said first. */
export function DeleteAccount() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const navigate = useNavigate();
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<{ password?: string }>();
  const remove = useDeleteAccount();
  const close = () => {
    remove.reset();
    setOpen(false);
  };
  const tell = (error: unknown) =>
    error instanceof ApiProblem && error.code === 'reauthentication_required' ? t('myData.signInAgain') : describe(error);
  const submit = ({ password }: { password?: string }) =>
    remove.mutate(password ?? '', {
      onSuccess: () => {
        endSession();
        void navigate({ to: '/sign-in', search: {}, replace: true });
      },
    });
  return (
    <>
      <Button danger onClick={() => setOpen(true)}>
        {t('myData.delete')}
      </Button>
      <Modal
        open={open}
        title={t('myData.deleteConfirm')}
        okText={t('myData.delete')}
        okButtonProps={{ danger: true }}
        cancelText={t('common.cancel')}
        confirmLoading={remove.isPending}
        onOk={() => form.submit()}
        onCancel={close}
        destroyOnHidden
      >
        <ul className={styles.points}>
          {POINTS.map((point) => (
            <li key={point}>{t(`myData.deletePoints.${point}`)}</li>
          ))}
        </ul>
        <Form form={form} layout="vertical" requiredMark={false} preserve={false} onFinish={submit}>
          {remove.isError && <Alert className={styles.alert} type="error" showIcon title={tell(remove.error)} />}
          <Form.Item name="password" label={t('myData.password')} extra={t('myData.passwordHint')}>
            <Input.Password autoComplete="current-password" />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}
