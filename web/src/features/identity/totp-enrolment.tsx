import { useMutation } from '@tanstack/react-query';
import { Alert, Button, Form, Input, QRCode } from 'antd';
import { useTranslation } from 'react-i18next';
import { beginTotp, useConfirmTotp } from '@/api/account';
import type { RecoveryCodes, TotpSecret } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { useConfirmed, useTellFailure } from './confirm-identity';
import entry from './entry.module.css';
import styles from './security.module.css';
import { useFormErrors } from '@/lib/use-form-errors';

/** Has a new secret made, once it is sure who asks. */
export function useBeginTotp(onSecret: (secret: TotpSecret) => void) {
  const confirmed = useConfirmed();
  const tellFailure = useTellFailure();
  return useMutation({ mutationFn: () => confirmed(beginTotp), onSuccess: onSecret, onError: tellFailure });
}

interface TotpEnrolmentProps {
  secret: TotpSecret;
  onDone: (codes: RecoveryCodes) => void;
}

/** Shows the secret, and switches the app on by its first code. */
export function TotpEnrolment({ secret, onDone }: TotpEnrolmentProps) {
  const { t } = useTranslation();
  const confirm = useConfirmTotp();
  const [form] = Form.useForm<{ code: string }>();
  const errors = useFormErrors(form);
  const submit = ({ code }: { code: string }) => {
    errors.clear();
    confirm.mutate(code.trim(), { onSuccess: onDone, onError: errors.show });
  };
  return (
    <div className={styles.enrol}>
      <p>{t('security.scan')}</p>
      <div className={styles.qr} aria-hidden>
        <QRCode type="svg" size={188} bordered={false} color="#000" bgColor="#fff" value={secret.uri} />
      </div>
      <p>{t('security.secret')}</p>
      <div className={styles.secret}>
        <code data-testid="totp-secret">{secret.secret}</code>
        <CopyButton text={secret.secret} />
      </div>
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={submit}>
        <Form.Item
          name="code"
          label={t('secondStep.code')}
          extra={t('security.codeHint')}
          rules={[{ required: true, whitespace: true, message: t('common.required') }]}
        >
          <Input className={entry.code} autoComplete="one-time-code" inputMode="numeric" maxLength={7} />
        </Form.Item>
        <Button type="primary" block htmlType="submit" loading={confirm.isPending}>
          {t('security.switchOn')}
        </Button>
      </Form>
    </div>
  );
}
