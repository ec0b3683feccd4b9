import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Alert, Button, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { useSignIn } from '@/api/identity';
import { safeReturnPath } from '@/lib/safe-url';
import { useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';

const route = getRouteApi('/sign-in');

export function SignInPage() {
  const { t } = useTranslation();
  const { to } = route.useSearch();
  const router = useRouter();
  const describe = useDescribe();
  const signIn = useSignIn();
  return (
    <EntryFrame title={t('identity.signIn')} hint={t('identity.signInHint')}>
      {signIn.isError && <Alert className={styles.alert} type="error" showIcon title={describe(signIn.error)} />}
      <Form
        layout="vertical"
        requiredMark={false}
        onFinish={(values: { login: string; password: string }) =>
          signIn.mutate(values, { onSuccess: () => router.history.push(safeReturnPath(to)) })
        }
      >
        <Form.Item name="login" label={t('identity.login')} rules={[{ required: true, message: t('common.required') }]}>
          <Input size="large" autoFocus autoComplete="username" />
        </Form.Item>
        <Form.Item name="password" label={t('identity.password')} rules={[{ required: true, message: t('common.required') }]}>
          <Input.Password size="large" autoComplete="current-password" />
        </Form.Item>
        <Button type="primary" size="large" block htmlType="submit" loading={signIn.isPending}>
          {t('identity.signIn')}
        </Button>
      </Form>
    </EntryFrame>
  );
}
