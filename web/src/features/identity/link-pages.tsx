import type { UseMutationResult } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert, Button, Result } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useConfirmRegistration, useVerifyEmail } from '@/api/entry';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { useHashToken } from './use-link-token';

/** For links that lost their token on the way. */
export function IncompleteLink({ title }: { title: string }) {
  const { t } = useTranslation();
  return (
    <EntryFrame title={title}>
      <Result
        className={styles.result}
        status="warning"
        title={t('mailLinks.noToken')}
        subTitle={t('mailLinks.noTokenHint')}
        extra={<Link to="/sign-in">{t('entry.toSignIn')}</Link>}
      />
    </EntryFrame>
  );
}

export function ConfirmRegistrationPage() {
  const { t } = useTranslation();
  return (
    <LinkPage
      work={useConfirmRegistration()}
      title={t('mailLinks.registration')}
      hint={t('mailLinks.registrationHint')}
      done={t('mailLinks.registrationDone')}
      doneHint={t('mailLinks.registrationDoneHint')}
      onward={<Link to="/sign-in">{t('identity.signIn')}</Link>}
    />
  );
}

export function VerifyEmailPage() {
  const { t } = useTranslation();
  return (
    <LinkPage
      work={useVerifyEmail()}
      title={t('mailLinks.verify')}
      hint={t('mailLinks.verifyHint')}
      done={t('mailLinks.verifyDone')}
      doneHint={t('mailLinks.verifyDoneHint')}
      onward={<Link to="/">{t('mailLinks.toApp')}</Link>}
    />
  );
}

interface LinkPageProps {
  work: UseMutationResult<undefined, Error, string>;
  title: string;
  hint: string;
  done: string;
  doneHint: string;
  onward: ReactNode;
}

/** One button, since programs that look through letters open links, too. */
function LinkPage({ work, title, hint, done, doneHint, onward }: LinkPageProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const token = useHashToken('token');
  if (token === undefined) return <IncompleteLink title={title} />;
  const spent = work.error instanceof ApiProblem && work.error.code.startsWith('link_');
  if (work.isSuccess) {
    return (
      <EntryFrame title={done}>
        <Result className={styles.result} status="success" subTitle={doneHint} extra={onward} />
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={title} hint={hint}>
      {work.isError && <Alert className={styles.alert} type="error" showIcon title={describe(work.error)} />}
      {!spent && (
        <Button type="primary" size="large" block loading={work.isPending} onClick={() => work.mutate(token)}>
          {t('mailLinks.confirm')}
        </Button>
      )}
      <p className={styles.foot}>
        <Link to="/sign-in">{t('entry.toSignIn')}</Link>
      </p>
    </EntryFrame>
  );
}
