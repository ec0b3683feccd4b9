import { FileProtectOutlined, MobileOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Form, Modal, Popconfirm } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { renewRecoveryCodes, secondFactorsQuery, useDisableTotp, useFactorAct, type Proof } from '@/api/account';
import type { RecoveryCodes, TotpSecret } from '@/api/types';
import { QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { ProofForm, useConfirmed, useTellFailure } from './confirm-identity';
import entry from './entry.module.css';
import styles from './profile.module.css';
import { RecoveryCodesDialog } from './recovery-codes';
import { TotpEnrolment, useBeginTotp } from './totp-enrolment';

/** Authenticator app and recovery codes. */
export function SecondFactorList() {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const confirmed = useConfirmed();
  const tellFailure = useTellFailure();
  const query = useQuery(secondFactorsQuery);
  const renew = useFactorAct<RecoveryCodes>();
  const [secret, setSecret] = useState<TotpSecret>();
  const [off, setOff] = useState(false);
  const begin = useBeginTotp(setSecret);
  const [codes, setCodes] = useState<string[]>();
  const close = () => setSecret(undefined);
  return (
    <QueryState query={query}>
      {() => (
        <ul className={styles.list}>
          <li>
            <MobileOutlined aria-hidden />
            <span className={styles.what}>
              <span>
                {t('enrolment.app')} <State on={query.data?.totp === true} />
              </span>
              <small>{t('security.appHint')}</small>
            </span>
            {query.data?.totp ? (
              <Button size="small" danger onClick={() => setOff(true)}>
                {t('security.appOff')}
              </Button>
            ) : (
              <Button size="small" type="primary" loading={begin.isPending} onClick={() => begin.mutate()}>
                {t('security.appSetUp')}
              </Button>
            )}
          </li>
          {query.data && (query.data.totp || query.data.passkeys > 0) && (
            <li>
              <FileProtectOutlined aria-hidden />
              <span className={styles.what}>
                <span>
                  {t('security.recoveryCodes')}{' '}
                  <StatusDot tone={query.data.recovery_codes > 3 ? 'ok' : 'bad'}>
                    {t('security.codesLeft', { count: query.data.recovery_codes })}
                  </StatusDot>
                </span>
                <small>{t('security.recoveryHint')}</small>
              </span>
              <Popconfirm
                title={t('security.codesNew')}
                description={t('security.codesNewHint')}
                okText={t('common.create')}
                cancelText={t('common.cancel')}
                onConfirm={() =>
                  renew.mutate(() => confirmed(renewRecoveryCodes), {
                    onSuccess: (made) => setCodes(made.recovery_codes ?? []),
                    onError: tellFailure,
                  })
                }
              >
                <Button size="small" loading={renew.isPending}>
                  {t('security.codesNew')}
                </Button>
              </Popconfirm>
            </li>
          )}
          <Modal open={secret !== undefined} title={t('security.enrolApp')} footer={null} onCancel={close} destroyOnHidden>
            {secret && (
              <TotpEnrolment
                secret={secret}
                onDone={(made) => {
                  close();
                  void toast.success(t('security.switchedOn'));
                  if (made.recovery_codes) setCodes(made.recovery_codes);
                }}
              />
            )}
          </Modal>
          <SwitchOff open={off} onClose={() => setOff(false)} />
          <RecoveryCodesDialog codes={codes} onClose={() => setCodes(undefined)} />
        </ul>
      )}
    </QueryState>
  );
}

function State({ on }: { on: boolean }) {
  const { t } = useTranslation();
  return <StatusDot tone={on ? 'ok' : 'off'}>{on ? t('security.on') : t('security.off')}</StatusDot>;
}

function SwitchOff({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const [form] = Form.useForm<Proof>();
  const disable = useDisableTotp();
  const close = () => {
    disable.reset();
    onClose();
  };
  return (
    <Modal
      open={open}
      title={t('security.appOffConfirm')}
      okText={t('security.appOff')}
      okButtonProps={{ danger: true }}
      cancelText={t('common.cancel')}
      confirmLoading={disable.isPending}
      onOk={() => form.submit()}
      onCancel={close}
      destroyOnHidden
    >
      <p className={entry.hint}>{t('security.appOffHint')}</p>
      <ProofForm
        form={form}
        error={disable.error ?? undefined}
        onFinish={(proof) =>
          disable.mutate(proof, {
            onSuccess: () => {
              void toast.success(t('security.switchedOff'));
              close();
            },
          })
        }
      />
    </Modal>
  );
}
