import { useQuery } from '@tanstack/react-query';
import { Alert, App, Button, Form, Input, Radio, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { meQuery, savePreference, useChangePassword, useUpdateMe } from '@/api/identity';
import type { Me } from '@/api/types';
import { Page, Section } from '@/components/page';
import { isLanguage } from '@/lib/i18n';
import { applyPreferences, THEMES, usePreferences } from '@/lib/preferences';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';
import { MIN_PASSWORD, passwordRules } from './rules';
import { SessionList } from './session-list';

export function ProfilePage() {
  const { t } = useTranslation();
  const me = useQuery(meQuery);
  return (
    <Page title={t('profile.title')} description={t('profile.intro')}>
      <Section title={t('profile.account')}>{me.data ? <AccountForm me={me.data} /> : <Skeleton active />}</Section>
      <Section title={t('profile.appearance')}>
        <Appearance />
      </Section>
      <Section title={t('profile.password')}>
        <PasswordForm />
      </Section>
      <Section title={t('profile.sessions')} description={t('profile.sessionsHint')}>
        <SessionList />
      </Section>
    </Page>
  );
}

function AccountForm({ me }: { me: Me }) {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const update = useUpdateMe();
  return (
    <Form
      layout="vertical"
      className={styles.form}
      initialValues={{ display_name: me.display_name ?? '', email: me.email }}
      onFinish={(values: { display_name: string; email: string }) =>
        update.mutate(values, {
          onSuccess: () => void toast.success(t('common.saved')),
          onError: (error) => void toast.error(describe(error)),
        })
      }
    >
      <Form.Item label={t('identity.username')} htmlFor="profile-username">
        <Input id="profile-username" value={me.username} readOnly />
      </Form.Item>
      <Form.Item name="display_name" label={t('profile.displayName')}>
        <Input maxLength={100} autoComplete="name" />
      </Form.Item>
      <Form.Item
        name="email"
        label={t('identity.email')}
        rules={[{ required: true, type: 'email', message: t('identity.emailInvalid') }]}
      >
        <Input type="email" maxLength={254} autoComplete="email" />
      </Form.Item>
      <Button type="primary" htmlType="submit" loading={update.isPending}>
        {t('common.save')}
      </Button>
    </Form>
  );
}

function Appearance() {
  const { t } = useTranslation();
  const { language, theme } = usePreferences();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const change = (key: 'language' | 'theme', value: string) => {
    void applyPreferences({ [key]: value });
    savePreference(key, value).catch((error: unknown) => void toast.error(describe(error)));
  };
  return (
    <div className={styles.appearance}>
      <div role="group" aria-label={t('app.theme')}>
        <p>{t('app.theme')}</p>
        <Radio.Group
          optionType="button"
          value={theme}
          options={THEMES.map((value) => ({ value, label: t(`app.themes.${value}`) }))}
          onChange={(event) => change('theme', String(event.target.value))}
        />
      </div>
      <div role="group" aria-label={t('app.language')}>
        <p>{t('app.language')}</p>
        <Radio.Group
          optionType="button"
          value={language}
          options={[
            { value: 'en', label: 'English' },
            { value: 'zh', label: '简体中文' },
          ]}
          onChange={(event) => {
            const value: unknown = event.target.value;
            if (isLanguage(value)) change('language', value);
          }}
        />
      </div>
    </div>
  );
}

function PasswordForm() {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const [form] = Form.useForm<{ current: string; new: string }>();
  const change = useChangePassword();
  return (
    <Form
      form={form}
      layout="vertical"
      className={styles.form}
      onFinish={(values) =>
        change.mutate(values, {
          onSuccess: () => {
            form.resetFields();
            void toast.success(t('profile.passwordChanged'));
          },
        })
      }
    >
      {change.isError && <Alert type="error" showIcon title={describe(change.error)} />}
      <Form.Item name="current" label={t('profile.currentPassword')} rules={[{ required: true, message: t('common.required') }]}>
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
