import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Alert, App, Form, Input, Modal, Segmented } from 'antd';
import { createContext, useContext, useRef, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { confirmIdentity, secondFactorsQuery, type Proof } from '@/api/account';
import { ApiProblem } from '@/lib/problem';
import { useDescribe } from '@/lib/use-describe';
import styles from './entry.module.css';

/** The person did not want to confirm who they are: nothing to be told. */
class NotConfirmed extends Error {}

type Confirmed = <T>(work: () => Promise<T>) => Promise<T>;

const ConfirmContext = createContext<Confirmed>((work) => work());

/** Runs an act; where the server wants a fresh proof of identity, asks for it and runs the act again. */
export const useConfirmed = () => useContext(ConfirmContext);

/** Tells what failed, unless the person themselves stopped it. */
export function useTellFailure() {
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  return (error: unknown) => {
    if (!(error instanceof NotConfirmed)) void toast.error(describe(error));
  };
}

interface Waiting {
  resolve: () => void;
  reject: (reason: Error) => void;
}

export function ConfirmIdentity({ children }: { children: ReactNode }) {
  const waiting = useRef<Waiting>(undefined);
  const [open, setOpen] = useState(false);
  const [confirmed] = useState<Confirmed>(() => async <T,>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'reauthentication_required') throw error;
      await new Promise<void>((resolve, reject) => {
        waiting.current = { resolve, reject };
        setOpen(true);
      });
      return work();
    }
  });
  const close = (error?: Error) => {
    setOpen(false);
    if (error) waiting.current?.reject(error);
    else waiting.current?.resolve();
  };
  return (
    <ConfirmContext value={confirmed}>
      {children}
      <ConfirmDialog open={open} onConfirmed={() => close()} onCancel={() => close(new NotConfirmed())} />
    </ConfirmContext>
  );
}

function ConfirmDialog({ open, onConfirmed, onCancel }: { open: boolean; onConfirmed: () => void; onCancel: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [form] = Form.useForm<Proof>();
  const submit = async (proof: Proof) => {
    setBusy(true);
    setError(undefined);
    try {
      await confirmIdentity(proof);
      await client.invalidateQueries({ queryKey: secondFactorsQuery.queryKey });
      onConfirmed();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      open={open}
      title={t('security.confirmTitle')}
      okText={t('secondStep.confirm')}
      cancelText={t('common.cancel')}
      confirmLoading={busy}
      onOk={() => form.submit()}
      onCancel={() => {
        setError(undefined);
        onCancel();
      }}
      destroyOnHidden
    >
      <p className={styles.hint}>{t('security.confirmHint')}</p>
      <ProofForm form={form} error={error} onFinish={(proof) => void submit(proof)} />
    </Modal>
  );
}

interface ProofFormProps {
  form: ReturnType<typeof Form.useForm<Proof>>[0];
  error: unknown;
  onFinish: (proof: Proof) => void;
}

/** Password or code, whichever the person has at hand. */
export function ProofForm({ form, error, onFinish }: ProofFormProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const factors = useQuery(secondFactorsQuery);
  const hasCode = factors.data !== undefined && (factors.data.totp || factors.data.recovery_codes > 0);
  const [way, setWay] = useState<'password' | 'code'>('password');
  return (
    <Form
      form={form}
      layout="vertical"
      requiredMark={false}
      preserve={false}
      onFinish={({ password, code }) => onFinish(way === 'password' ? { password } : { code: code?.trim() })}
    >
      {error !== undefined && <Alert className={styles.alert} type="error" showIcon title={describe(error)} />}
      {hasCode && (
        <Form.Item>
          <Segmented
            block
            aria-label={t('security.confirmWith')}
            value={way}
            onChange={setWay}
            options={[
              { value: 'password', label: t('identity.password') },
              { value: 'code', label: t('common.code') },
            ]}
          />
        </Form.Item>
      )}
      {way === 'password' ? (
        <Form.Item name="password" label={t('identity.password')} rules={[{ required: true, message: t('common.required') }]}>
          <Input.Password autoFocus autoComplete="current-password" />
        </Form.Item>
      ) : (
        <Form.Item name="code" label={t('secondStep.code')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
          <Input className={styles.code} autoFocus autoComplete="one-time-code" maxLength={32} />
        </Form.Item>
      )}
    </Form>
  );
}
