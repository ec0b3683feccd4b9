import { useQuery } from '@tanstack/react-query';
import { Alert, Form, Input, Modal, Select, Switch } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { allGroupsQuery, useInvite } from '@/api/people';
import type { CreatedInvitation } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import { usePreferences } from '@/lib/preferences';
import styles from './admin.module.css';
import { RoleSelect } from './role-select';
import { SecretLink } from './secret-link';
import { useCanMail } from './use-can-mail';
import { usePermits } from '@/components/use-permits';

interface FormValues {
  email?: string;
  roles: string[];
  groups?: string[];
  expires_in_days: number;
  send?: boolean;
}

/** Makes an invitation and shows its link the only time that it can be seen. */
export function InvitationForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const may = usePermits();
  const { language } = usePreferences();
  const [form] = Form.useForm<FormValues>();
  const errors = useFormErrors(form);
  const email = Form.useWatch('email', form);
  const groups = useQuery({ ...allGroupsQuery, enabled: may('group:read') });
  const canMail = useCanMail();
  const invite = useInvite();
  const [made, setMade] = useState<CreatedInvitation>();
  const submit = async () => {
    const { email: address, send, ...values } = await form.validateFields();
    const to = address?.trim();
    invite.mutate(
      { ...values, ...(to ? { email: to, send: canMail && send !== false } : {}), language },
      { onSuccess: setMade, onError: errors.show },
    );
  };
  if (made) {
    return (
      <SecretLink
        title={t('invitations.made')}
        link={made.link}
        once={t('invitations.once')}
        mailed={t('invitations.mailedTo', { email: made.email ?? '' })}
        onClose={onClose}
      />
    );
  }
  return (
    <Modal
      open
      title={t('invitations.create')}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={invite.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form form={form} layout="vertical" initialValues={{ roles: ['user'], expires_in_days: 7, send: true }}>
        <Form.Item
          name="email"
          label={t('invitations.email')}
          extra={t('invitations.emailHint')}
          rules={[{ type: 'email', message: t('identity.emailInvalid') }]}
        >
          <Input type="email" maxLength={254} autoComplete="off" autoFocus />
        </Form.Item>
        {canMail && email && (
          <Form.Item name="send" label={t('invitations.mail')} valuePropName="checked">
            <Switch />
          </Form.Item>
        )}
        <Form.Item name="roles" label={t('users.roles')} rules={[{ required: true, message: t('common.required') }]}>
          <RoleSelect />
        </Form.Item>
        {may('group:read') && (
          <Form.Item name="groups" label={t('invitations.groups')}>
            <Select
              mode="multiple"
              placeholder={t('invitations.groupsPlaceholder')}
              loading={groups.isPending}
              notFoundContent={t('groups.empty')}
              showSearch={{ optionFilterProp: 'label' }}
              options={(groups.data ?? []).map((group) => ({ value: group.id, label: group.name }))}
            />
          </Form.Item>
        )}
        <Form.Item name="expires_in_days" label={t('invitations.expiresIn')}>
          <Select options={[1, 3, 7, 14, 30].map((count) => ({ value: count, label: t('invitations.days', { count }) }))} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
