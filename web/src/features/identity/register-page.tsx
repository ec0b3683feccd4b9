import { MailOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert, Button, Form, Result, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { registrationQuery, useRegister, type Registration } from '@/api/entry';
import { QueryState } from '@/components/states';
import { usePreferences } from '@/lib/preferences';
import { AccountFields } from './account-fields';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { useFormErrors } from '@/lib/use-form-errors';

/** Makes an account by oneself, where that is open. */
export function RegisterPage() {
  const { t } = useTranslation();
  const registration = useQuery(registrationQuery);
  const register = useRegister();
  const done = register.data?.confirmation;
  if (done) {
    return (
      <EntryFrame title={done === 'mail' ? t('signUp.mailbox') : t('signUp.done')}>
        <Result
          className={styles.result}
          status={done === 'mail' ? 'info' : 'success'}
          icon={done === 'mail' ? <MailOutlined /> : undefined}
          subTitle={done === 'mail' ? t('signUp.mailboxHint', { email: register.variables?.email }) : t('signUp.doneHint')}
          extra={<Link to="/sign-in">{t('entry.toSignIn')}</Link>}
        />
      </EntryFrame>
    );
  }
  const closed = registration.data !== undefined && registration.data.mode !== 'open';
  return (
    <EntryFrame title={t('signUp.title')} hint={closed ? undefined : t('signUp.hint')}>
      <QueryState query={registration} skeleton={<Skeleton active />}>
        {() =>
          closed ? (
            <Result
              className={styles.result}
              status="info"
              title={t('signUp.closed')}
              subTitle={t('signUp.closedHint')}
              extra={<Link to="/sign-in">{t('entry.toSignIn')}</Link>}
            />
          ) : (
            <RegisterForm register={register} domains={registration.data?.email_domains ?? []} />
          )
        }
      </QueryState>
    </EntryFrame>
  );
}

function RegisterForm({ register, domains }: { register: ReturnType<typeof useRegister>; domains: string[] }) {
  const { t } = useTranslation();
  const { language } = usePreferences();
  const listed = new Intl.ListFormat(language, { type: 'disjunction' }).format(domains);
  const [form] = Form.useForm<Registration>();
  const errors = useFormErrors(form);
  const submit = ({ username, email, password, display_name }: Registration) => {
    errors.clear();
    register.mutate(
      {
        username: username.trim(),
        email: email.trim(),
        password,
        language,
        ...(display_name?.trim() ? { display_name: display_name.trim() } : {}),
      },
      { onError: errors.show },
    );
  };
  return (
    <>
      {errors.general && <Alert className={styles.alert} type="error" showIcon title={errors.general} />}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={submit}>
        <AccountFields email emailHint={domains.length > 0 ? t('signUp.domains', { domains: listed }) : undefined} />
        <Button type="primary" size="large" block htmlType="submit" loading={register.isPending}>
          {t('signUp.create')}
        </Button>
      </Form>
      <p className={styles.foot}>
        {t('signUp.haveAccount')} <Link to="/sign-in">{t('identity.signIn')}</Link>
      </p>
    </>
  );
}
