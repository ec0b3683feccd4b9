import { KeyOutlined } from '@ant-design/icons';
import { Alert, Button, Form, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useMutation } from '@tanstack/react-query';
import { useSecondStep } from '@/api/entry';
import type { Me, SecondFactorChallenge } from '@/api/types';
import { ApiProblem } from '@/lib/problem';
import { signWithPasskey } from '@/lib/webauthn';
import { useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';

type Method = 'totp' | 'recovery_code' | 'passkey';
const METHODS: Method[] = ['totp', 'passkey', 'recovery_code'];

interface SecondStepProps {
  challenge: SecondFactorChallenge;
  onEntered: (me: Me) => void;
  /** Back to the first step, with the reason where it was not wished for. */
  onRestart: (problem?: unknown) => void;
}

/** The second proof: a code, a recovery code or a passkey. */
export function SecondStep({ challenge, onEntered, onRestart }: SecondStepProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const offered = METHODS.filter((method) => challenge.methods.includes(method));
  const [method, setMethod] = useState(offered[0] ?? 'recovery_code');
  const complete = useSecondStep();
  const onError = (error: unknown) => {
    if (error instanceof ApiProblem && error.code === 'challenge_ended') onRestart(error);
  };
  const passkey = useMutation({
    mutationFn: async () => {
      if (!challenge.passkey) return;
      const signed = await signWithPasskey(challenge.passkey);
      onEntered(await complete.mutateAsync({ challenge: challenge.challenge, passkey: signed }));
    },
    onError,
  });
  const sendCode = ({ code }: { code: string }) =>
    complete.mutate({ challenge: challenge.challenge, code: code.trim() }, { onSuccess: onEntered, onError });
  const error = passkey.error ?? complete.error;
  const labels = { totp: t('secondStep.useCode'), passkey: t('secondStep.usePasskey'), recovery_code: t('secondStep.useRecovery') };
  return (
    <EntryFrame title={t('secondStep.title')} hint={t('secondStep.hint')}>
      {error && <Alert className={styles.alert} type="error" showIcon title={describe(error)} />}
      {method === 'passkey' ? (
        <>
          <p className={styles.hint}>{t('secondStep.passkeyHint')}</p>
          <Button
            type="primary"
            size="large"
            block
            icon={<KeyOutlined />}
            loading={passkey.isPending}
            onClick={() => passkey.mutate()}
          >
            {labels.passkey}
          </Button>
        </>
      ) : (
        <Form key={method} layout="vertical" requiredMark={false} onFinish={sendCode}>
          <Form.Item
            name="code"
            label={method === 'totp' ? t('secondStep.code') : t('secondStep.recoveryCode')}
            extra={method === 'recovery_code' && t('secondStep.recoveryHint')}
            rules={[{ required: true, whitespace: true, message: t('common.required') }]}
          >
            <Input
              className={styles.code}
              size="large"
              autoFocus
              autoComplete="one-time-code"
              inputMode={method === 'totp' ? 'numeric' : 'text'}
              maxLength={method === 'totp' ? 7 : 32}
              spellCheck={false}
            />
          </Form.Item>
          <Button type="primary" size="large" block htmlType="submit" loading={complete.isPending}>
            {t('secondStep.confirm')}
          </Button>
        </Form>
      )}
      <div className={styles.others}>
        {offered
          .filter((other) => other !== method)
          .map((other) => (
            <Button
              key={other}
              type="link"
              onClick={() => {
                complete.reset();
                passkey.reset();
                setMethod(other);
              }}
            >
              {labels[other]}
            </Button>
          ))}
        <Button type="link" onClick={() => onRestart()}>
          {t('entry.toSignIn')}
        </Button>
      </div>
      <p className={styles.foot}>{t('secondStep.lost')}</p>
    </EntryFrame>
  );
}
