import { KeyOutlined, LoginOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert, Button, Divider, Form, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { methodsQuery, registrationQuery, useOidcSignIn, usePasskeySignIn, useSignIn } from '@/api/entry';
import type { Me, SecondFactorChallenge } from '@/api/types';
import { passkeysWork } from '@/lib/webauthn';
import { safeReturnPath } from '@/lib/safe-url';
import { useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { keepReturn } from './return-path';

interface SignInFormProps {
  title: string;
  hint: string;
  /** What went wrong before this page was shown. */
  problem: string | undefined;
  returnTo: string | undefined;
  onAnswer: (answer: Me | SecondFactorChallenge) => void;
}

/** The first step: password, passkey, or an issuer. */
export function SignInForm({ title, hint, problem, returnTo, onAnswer }: SignInFormProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { data: methods } = useQuery(methodsQuery);
  const { data: registration } = useQuery(registrationQuery);
  const password = useSignIn();
  const passkey = usePasskeySignIn();
  const oidc = useOidcSignIn();
  const attempts = [password, passkey, oidc];
  const latest = attempts.filter((attempt) => !attempt.isIdle).sort((a, b) => b.submittedAt - a.submittedAt)[0];
  const shown = latest?.isError ? describe(latest.error) : latest === undefined ? problem : undefined;
  const canPasskey = methods?.passkey === true && passkeysWork();
  const providers = methods?.providers ?? [];
  return (
    <EntryFrame title={title} hint={hint}>
      {shown && <Alert className={styles.alert} type="error" showIcon title={shown} />}
      <Form
        layout="vertical"
        requiredMark={false}
        onFinish={(values: { login: string; password: string }) => password.mutate(values, { onSuccess: onAnswer })}
      >
        <Form.Item name="login" label={t('identity.login')} rules={[{ required: true, message: t('common.required') }]}>
          <Input size="large" autoFocus autoComplete="username" />
        </Form.Item>
        <Form.Item name="password" label={t('identity.password')} rules={[{ required: true, message: t('common.required') }]}>
          <Input.Password size="large" autoComplete="current-password" />
        </Form.Item>
        <div className={styles.aside}>
          <Link to="/forgot-password">{t('entry.forgot')}</Link>
        </div>
        <Button type="primary" size="large" block htmlType="submit" loading={password.isPending}>
          {t('identity.signIn')}
        </Button>
      </Form>
      {(canPasskey || providers.length > 0) && (
        <>
          <Divider plain>{t('entry.chooseMethod')}</Divider>
          <div className={styles.ways}>
            {canPasskey && (
              <Button
                size="large"
                block
                icon={<KeyOutlined />}
                loading={passkey.isPending}
                onClick={() => passkey.mutate(undefined, { onSuccess: onAnswer })}
              >
                {t('entry.passkey')}
              </Button>
            )}
            {providers.map(({ id, name }) => (
              <Button
                key={id}
                size="large"
                block
                icon={<LoginOutlined />}
                loading={oidc.isPending && oidc.variables.id === id}
                onClick={() => {
                  keepReturn(returnTo);
                  oidc.mutate({ id, returnTo: safeReturnPath(returnTo) });
                }}
              >
                {t('entry.withProvider', { name })}
              </Button>
            ))}
          </div>
        </>
      )}
      {registration?.mode === 'open' && (
        <p className={styles.foot}>
          {t('entry.noAccount')} <Link to="/register">{t('entry.createAccount')}</Link>
        </p>
      )}
    </EntryFrame>
  );
}
