import { Alert, Button, Form, InputNumber, Modal, Popconfirm } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ratePath, scopeOf, useSetRate, type RateScope } from '@/api/limits';
import type { RateLimit } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import { SubjectFields, type Subject } from './subject-fields';

interface RateFormProps {
  /** The limit to change. */
  limit?: RateLimit | null | undefined;
  /** For what it is, where that is given; else it is chosen here. */
  fixed?: { path: string; name: string } | undefined;
  onClose: () => void;
}

interface Values extends Subject<RateScope> {
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
}

/** How much may be called in a minute. */
export function RateForm({ limit, fixed, onClose }: RateFormProps) {
  const { t } = useTranslation();
  const [form] = Form.useForm<Values>();
  const errors = useFormErrors(form);
  const set = useSetRate();
  const [empty, setEmpty] = useState(false);
  const known = fixed?.path ?? (limit ? ratePath(scopeOf(limit.scope), limit.subject_id ?? undefined) : undefined);
  const name = fixed?.name ?? limit?.label ?? (limit ? t('limits.scopes.organization') : undefined);
  const submit = async () => {
    const { scope, subject, requests_per_minute, tokens_per_minute } = await form.validateFields();
    const body = {
      ...(requests_per_minute ? { requests_per_minute } : {}),
      ...(tokens_per_minute ? { tokens_per_minute } : {}),
    };
    setEmpty(Object.keys(body).length === 0);
    if (Object.keys(body).length === 0) return;
    set.mutate({ path: known ?? ratePath(scope, subject), body }, { onSuccess: onClose, onError: errors.show });
  };
  const remove = () => {
    if (known) set.mutate({ path: known }, { onSuccess: onClose, onError: errors.show });
  };
  return (
    <Modal
      open
      title={name ? t('limits.rateOf', { name }) : t('limits.addRate')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={set.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
      footer={(buttons) => (
        <>
          {limit && fixed && (
            <Popconfirm
              title={t('limits.removeRate')}
              okText={t('limits.remove')}
              cancelText={t('common.cancel')}
              okButtonProps={{ danger: true }}
              onConfirm={remove}
            >
              <Button danger>{t('limits.remove')}</Button>
            </Popconfirm>
          )}
          {buttons}
        </>
      )}
    >
      {(errors.general !== undefined || empty) && (
        <Alert type="error" showIcon title={empty ? t('limits.setOne') : errors.general} />
      )}
      <Form
        form={form}
        layout="vertical"
        initialValues={{
          scope: 'organization',
          requests_per_minute: limit?.requests_per_minute,
          tokens_per_minute: limit?.tokens_per_minute,
        }}
      >
        {known === undefined && <SubjectFields scopes={['organization', 'users', 'groups', 'api-keys', 'models']} />}
        <Form.Item name="requests_per_minute" label={t('limits.requests')}>
          <InputNumber min={1} max={2_000_000_000} precision={0} style={{ width: '100%' }} placeholder={t('limits.unlimited')} />
        </Form.Item>
        <Form.Item name="tokens_per_minute" label={t('limits.tokens')} extra={t('limits.tokensHint')}>
          <InputNumber min={1} max={2_000_000_000} precision={0} style={{ width: '100%' }} placeholder={t('limits.unlimited')} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
