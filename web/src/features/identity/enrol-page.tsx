import { KeyOutlined, MobileOutlined } from '@ant-design/icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Alert, Button, Skeleton } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { secondFactorsQuery } from '@/api/account';
import { meQuery, mustEnrol, signOut } from '@/api/identity';
import { endSession } from '@/api/query-client';
import type { TotpSecret } from '@/api/types';
import { QueryState } from '@/components/states';
import { passkeysWork } from '@/lib/webauthn';
import { safeReturnPath } from '@/lib/safe-url';
import { ConfirmIdentity } from './confirm-identity';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { PasskeyForm } from './passkey-form';
import { RecoveryCodesView } from './recovery-codes';
import security from './security.module.css';
import { TotpEnrolment, useBeginTotp } from './totp-enrolment';

const route = getRouteApi('/second-factor');

/** For sessions that may do nothing before a second factor is set up. */
export function EnrolPage() {
  const { t } = useTranslation();
  const { to } = route.useSearch();
  const router = useRouter();
  const client = useQueryClient();
  const factors = useQuery(secondFactorsQuery);
  const [secret, setSecret] = useState<TotpSecret>();
  const [adding, setAdding] = useState(false);
  const [codes, setCodes] = useState<string[]>();
  const [leaving, setLeaving] = useState(false);

  const goOn = async () => {
    setLeaving(true);
    const me = await client.query({ ...meQuery, staleTime: 0 });
    if (mustEnrol(me)) setLeaving(false);
    else router.history.replace(safeReturnPath(to));
  };
  const leave = async () => {
    await signOut().catch(() => undefined);
    endSession();
    router.history.replace('/sign-in');
  };
  const enrolled = (made: { recovery_codes?: string[] | null | undefined }) => {
    if (made.recovery_codes) setCodes(made.recovery_codes);
    else void goOn();
  };

  if (codes) {
    return (
      <EntryFrame title={t('security.codesTitle')} hint={t('enrolment.ready')}>
        <RecoveryCodesView codes={codes} />
        <br />
        <Button type="primary" size="large" block loading={leaving} onClick={() => void goOn()}>
          {t('security.codesDone')}
        </Button>
      </EntryFrame>
    );
  }
  const has = factors.data !== undefined && (factors.data.totp || factors.data.passkeys > 0);
  return (
    <ConfirmIdentity>
      <EntryFrame title={t('enrolment.title')} hint={t('enrolment.hint')}>
        <QueryState query={factors} skeleton={<Skeleton active />}>
          {() =>
            has ? (
              <Alert type="info" showIcon title={t('enrolment.again')} />
            ) : secret ? (
              <TotpEnrolment secret={secret} onDone={enrolled} />
            ) : (
              <Choices onSecret={setSecret} onPasskey={() => setAdding(true)} />
            )
          }
        </QueryState>
        <div className={styles.others}>
          {secret && (
            <Button type="link" onClick={() => setSecret(undefined)}>
              {t('common.back')}
            </Button>
          )}
          <Button type="link" onClick={() => void leave()}>
            {t('enrolment.signOut')}
          </Button>
        </div>
      </EntryFrame>
      <PasskeyForm open={adding} onClose={() => setAdding(false)} onMade={enrolled} />
    </ConfirmIdentity>
  );
}

function Choices({ onSecret, onPasskey }: { onSecret: (secret: TotpSecret) => void; onPasskey: () => void }) {
  const { t } = useTranslation();
  const begin = useBeginTotp(onSecret);
  return (
    <div className={styles.ways}>
      <Choice
        icon={<MobileOutlined />}
        title={t('enrolment.app')}
        hint={t('enrolment.appHint')}
        loading={begin.isPending}
        onChoose={() => begin.mutate()}
      />
      {passkeysWork() && (
        <Choice icon={<KeyOutlined />} title={t('passkeys.title')} hint={t('enrolment.passkeyHint')} onChoose={onPasskey} />
      )}
    </div>
  );
}

interface ChoiceProps {
  icon: ReactNode;
  title: string;
  hint: string;
  loading?: boolean;
  onChoose: () => void;
}

function Choice({ icon, title, hint, loading = false, onChoose }: ChoiceProps) {
  const { t } = useTranslation();
  return (
    <div className={security.choice}>
      <span aria-hidden>{icon}</span>
      <span>
        <strong>{title}</strong>
        <small>{hint}</small>
      </span>
      <Button type="primary" loading={loading} aria-label={`${t('enrolment.choose')}: ${title}`} onClick={onChoose}>
        {t('enrolment.choose')}
      </Button>
    </div>
  );
}
