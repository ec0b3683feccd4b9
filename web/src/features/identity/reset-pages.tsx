import { MailOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert, Button, Form, Input, Result, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { registrationQuery, useRequestPasswordReset, useResetPassword } from '@/api/entry';
import { QueryState } from '@/components/states';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';
import { NewPasswordFields } from './account-fields';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { IncompleteLink } from './link-pages';
import { useFormErrors } from '@/lib/use-form-errors';
import { useHashToken } from './use-link-token';

/** Asks for a link to set a new password. */
export function ForgotPasswordPage() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const registration = useQuery(registrationQuery);
  const ask = useRequestPasswordReset();
  const back = <Link to="/sign-in">{t('entry.toSignIn')}</Link>;
  if (ask.isSuccess) {
    return (
      <EntryFrame title={t('reset.sent')}>
        <Result className={styles.result} status="info" icon={<MailOutlined />} subTitle={t('reset.sentHint')} extra={back} />
      </EntryFrame>
    );
  }
  const mails = registration.data?.sends_mail !== false;
  return (
    <EntryFrame title={t('reset.forgot')} hint={mails ? t('reset.forgotHint') : undefined}>
      <QueryState query={registration} skeleton={<Skeleton active />}>
        {() =>
          mails ? (
            <>
              {ask.isError && <Alert className={styles.alert} type="error" showIcon title={describe(ask.error)} />}
              <Form layout="vertical" requiredMark={false} onFinish={({ login }: { login: string }) => ask.mutate(login.trim())}>
                <Form.Item
                  name="login"
                  label={t('identity.login')}
                  rules={[{ required: true, whitespace: true, message: t('common.required') }]}
                >
                  <Input size="large" autoFocus autoComplete="username" maxLength={254} />
                </Form.Item>
                <Button type="primary" size="large" block htmlType="submit" loading={ask.isPending}>
                  {t('reset.ask')}
                </Button>
              </Form>
              <p className={styles.foot}>{back}</p>
            </>
          ) : (
            <Result className={styles.result} status="info" title={t('reset.noMail')} subTitle={t('reset.noMailHint')} extra={back} />
          )
        }
      </QueryState>
    </EntryFrame>
  );
}

/** Sets a new password by a link. */
export function ResetPasswordPage() {
  const { t } = useTranslation();
  const token = useHashToken('token');
  const reset = useResetPassword();
  const [form] = Form.useForm<{ password: string }>();
  const errors = useFormErrors(form);
  if (token === undefined) return <IncompleteLink title={t('reset.title')} />;
  if (reset.isSuccess) {
    return (
      <EntryFrame title={t('reset.done')}>
        <Result
          className={styles.result}
          status="success"
          subTitle={t('reset.doneHint')}
          extra={<Link to="/sign-in">{t('identity.signIn')}</Link>}
        />
      </EntryFrame>
    );
  }
  const spent = reset.error instanceof ApiProblem && reset.error.code.startsWith('link_');
  const submit = ({ password }: { password: string }) => {
    errors.clear();
    reset.mutate({ token, password }, { onError: errors.show });
  };
  return (
    <EntryFrame title={t('reset.title')}>
      {errors.general && <Alert className={styles.alert} type="error" showIcon title={errors.general} />}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={submit}>
        <NewPasswordFields label={t('profile.newPassword')} />
        <Button type="primary" size="large" block htmlType="submit" loading={reset.isPending}>
          {t('reset.set')}
        </Button>
      </Form>
      <p className={styles.foot}>
        {spent ? <Link to="/forgot-password">{t('reset.again')}</Link> : <Link to="/sign-in">{t('entry.toSignIn')}</Link>}
      </p>
    </EntryFrame>
  );
}
