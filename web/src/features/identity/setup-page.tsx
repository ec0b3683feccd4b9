import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Alert, Button, Form, Input, Result, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { setupQuery, useSetup, type SetupInput } from '@/api/identity';
import { useDescribe } from '@/lib/use-describe';
import { ErrorState } from '@/components/states';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { MIN_PASSWORD, passwordRules } from './rules';

const route = getRouteApi('/setup');

/** First start: makes the administrator account, for whoever holds the token from the terminal. */
export function SetupPage() {
  const { t } = useTranslation();
  const setup = useQuery(setupQuery);
  if (setup.isPending) {
    return (
      <EntryFrame title={t('identity.setup')}>
        <Skeleton active />
      </EntryFrame>
    );
  }
  if (setup.isError) {
    return (
      <EntryFrame title={t('identity.setup')}>
        <ErrorState error={setup.error} onRetry={() => void setup.refetch()} />
      </EntryFrame>
    );
  }
  if (!setup.data.needed) {
    return (
      <EntryFrame title={t('identity.setupDone')}>
        <Result status="success" subTitle={t('identity.setupDoneHint')} extra={<Link to="/sign-in">{t('identity.signIn')}</Link>} />
      </EntryFrame>
    );
  }
  return <SetupForm />;
}

function SetupForm() {
  const { t } = useTranslation();
  const search = route.useSearch();
  const token = search.token ?? new URLSearchParams(location.hash.slice(1)).get('token') ?? undefined;
  const navigate = useNavigate();
  const describe = useDescribe();
  const setup = useSetup();
  const required = { required: true, message: t('common.required') };
  const submit = ({ token: given, username, email, password }: SetupInput) =>
    setup.mutate(
      { token: given.trim(), username: username.trim(), email: email.trim(), password },
      { onSuccess: () => void navigate({ to: '/welcome', replace: true }) },
    );
  return (
    <EntryFrame title={t('identity.setup')} hint={t('identity.setupHint')}>
      {setup.isError && <Alert className={styles.alert} type="error" showIcon title={describe(setup.error)} />}
      <Form layout="vertical" requiredMark={false} initialValues={{ token }} onFinish={submit}>
        <Form.Item
          name="token"
          label={t('identity.token')}
          extra={token ? undefined : t('identity.tokenHint')}
          rules={[required]}
          hidden={token !== undefined && !setup.isError}
        >
          <Input autoComplete="off" />
        </Form.Item>
        <Form.Item name="username" label={t('identity.username')} rules={[required]}>
          <Input autoFocus autoComplete="username" maxLength={64} />
        </Form.Item>
        <Form.Item
          name="email"
          label={t('identity.email')}
          rules={[required, { type: 'email', message: t('identity.emailInvalid') }]}
        >
          <Input type="email" autoComplete="email" maxLength={254} />
        </Form.Item>
        <Form.Item
          name="password"
          label={t('identity.password')}
          extra={t('identity.passwordHint', { count: MIN_PASSWORD })}
          rules={passwordRules(t)}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Form.Item
          name="repeat"
          label={t('identity.repeat')}
          dependencies={['password']}
          rules={[
            required,
            ({ getFieldValue }) => ({
              validator: (_, value) =>
                value === getFieldValue('password') ? Promise.resolve() : Promise.reject(new Error(t('identity.repeatWrong'))),
            }),
          ]}
        >
          <Input.Password autoComplete="new-password" />
        </Form.Item>
        <Button type="primary" size="large" block htmlType="submit" loading={setup.isPending}>
          {t('identity.createAdmin')}
        </Button>
      </Form>
    </EntryFrame>
  );
}
