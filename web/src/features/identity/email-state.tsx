import { useQuery } from '@tanstack/react-query';
import { Alert, App, Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { useRequestVerification } from '@/api/account';
import { registrationQuery } from '@/api/entry';
import type { Me } from '@/api/types';
import { StatusDot } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';

/** Whether the address is known to be the person's, and which one waits. */
export function EmailState({ me }: { me: Me }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const { data: registration } = useQuery(registrationQuery);
  const send = useRequestVerification();
  return (
    <div className={styles.email}>
      <div className={styles.emailLine}>
        <strong>{me.email}</strong>
        <StatusDot tone={me.email_verified ? 'ok' : 'off'}>
          {me.email_verified ? t('myProfile.emailVerified') : t('myProfile.emailUnverified')}
        </StatusDot>
        {!me.email_verified && registration?.sends_mail === true && (
          <Button
            size="small"
            loading={send.isPending}
            disabled={send.isSuccess}
            onClick={() =>
              send.mutate(undefined, {
                onSuccess: () => void toast.success(t('myProfile.emailSent')),
                onError: (error) => void toast.error(describe(error)),
              })
            }
          >
            {t('myProfile.emailSend')}
          </Button>
        )}
      </div>
      {me.pending_email && <Alert type="info" showIcon title={t('myProfile.emailPending', { email: me.pending_email })} />}
    </div>
  );
}
