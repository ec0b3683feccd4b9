import { Alert, App, Button, Form, Input, Select } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useUpdateMe, type UpdateMe } from '@/api/identity';
import type { Me } from '@/api/types';
import { usePreferences } from '@/lib/preferences';
import { deviceTimezone, timezones } from '@/lib/timezones';
import styles from './profile.module.css';
import { emailRules } from './rules';
import { useFormErrors } from '@/lib/use-form-errors';

/** Name, organisation, address and time zone. */
export function AccountForm({ me }: { me: Me }) {
  const { t } = useTranslation();
  const { language } = usePreferences();
  const { message: toast } = App.useApp();
  const [form] = Form.useForm<UpdateMe>();
  const errors = useFormErrors(form);
  const update = useUpdateMe();
  const zones = useMemo(() => timezones(me.timezone), [me.timezone]);
  const zone = Form.useWatch('timezone', form) ?? me.timezone;
  const here = deviceTimezone();
  const submit = (values: UpdateMe) => {
    errors.clear();
    const { email, ...rest } = values;
    const changed = email !== undefined && email.trim() !== me.email ? { email: email.trim() } : {};
    update.mutate(
      { ...rest, ...changed },
      {
        onSuccess: (now) => {
          // A new address waits to be confirmed where letters are sent.
          form.setFieldsValue({ email: now.email });
          void toast.success(t('common.saved'));
        },
        onError: errors.show,
      },
    );
  };
  const names = [
    <Form.Item key="first" name="first_name" label={t('myProfile.firstName')}>
      <Input maxLength={100} autoComplete="given-name" />
    </Form.Item>,
    <Form.Item key="last" name="last_name" label={t('myProfile.lastName')}>
      <Input maxLength={100} autoComplete="family-name" />
    </Form.Item>,
  ];
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      initialValues={{
        display_name: me.display_name ?? '',
        first_name: me.first_name ?? '',
        last_name: me.last_name ?? '',
        email: me.email,
        organization: me.organization ?? '',
        department: me.department ?? '',
        position: me.position ?? '',
        timezone: me.timezone,
      }}
      onFinish={submit}
    >
      {errors.general && <Alert className={styles.alert} type="error" showIcon title={errors.general} />}
      <div className={styles.fields}>
        <Form.Item label={t('identity.username')} htmlFor="profile-username">
          <Input id="profile-username" value={me.username} readOnly />
        </Form.Item>
        <Form.Item name="display_name" label={t('profile.displayName')}>
          <Input maxLength={100} autoComplete="name" />
        </Form.Item>
        {language === 'zh' ? names.toReversed() : names}
        <Form.Item name="email" label={t('identity.email')} rules={emailRules(t)}>
          <Input type="email" maxLength={254} autoComplete="email" />
        </Form.Item>
        <Form.Item name="organization" label={t('myProfile.organization')}>
          <Input maxLength={100} autoComplete="organization" />
        </Form.Item>
        <Form.Item name="department" label={t('myProfile.department')}>
          <Input maxLength={100} />
        </Form.Item>
        <Form.Item name="position" label={t('myProfile.position')}>
          <Input maxLength={100} autoComplete="organization-title" />
        </Form.Item>
        <Form.Item
          name="timezone"
          label={t('myProfile.timezone')}
          extra={
            here !== undefined && here !== zone ? (
              <Button type="link" size="small" className={styles.here} onClick={() => form.setFieldsValue({ timezone: here })}>
                {t('myProfile.timezoneHere', { zone: here })}
              </Button>
            ) : (
              t('myProfile.timezoneHint')
            )
          }
        >
          <Select showSearch={{ optionFilterProp: 'search' }} options={zones} />
        </Form.Item>
      </div>
      <Button type="primary" htmlType="submit" loading={update.isPending}>
        {t('common.save')}
      </Button>
    </Form>
  );
}
