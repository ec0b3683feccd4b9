import { MoreOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Dropdown, Form, Input, Modal, Switch } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useRotateApiKey, useUpdateApiKey } from '@/api/identity';
import { keyRatePath, keyRateQuery } from '@/api/limits';
import type { ApiKey } from '@/api/types';
import { OverlapField, USUAL_OVERLAP } from '@/components/overlap-field';
import { RateForm } from '@/components/rate-form';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { AddressField, limitedTo, ModelsField, SecretModal } from './api-key-fields';
import { useFormErrors } from '@/lib/use-form-errors';

interface Part {
  apiKey: ApiKey;
  onClose: () => void;
}

/** What else can be done with a key. */
export function ApiKeyMenu({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<'edit' | 'rotate' | 'limit'>();
  const close = () => setOpen(undefined);
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            { key: 'edit', label: t('common.edit'), onClick: () => setOpen('edit') },
            { key: 'rotate', label: t('keyMore.rotate'), onClick: () => setOpen('rotate') },
            { key: 'limit', label: t('limits.rate'), onClick: () => setOpen('limit') },
          ],
        }}
      >
        <Button type="text" size="small" icon={<MoreOutlined />} aria-label={t('keyMore.more', { name: apiKey.name })} />
      </Dropdown>
      {open === 'edit' && <EditKey apiKey={apiKey} onClose={close} />}
      {open === 'rotate' && <RotateKey apiKey={apiKey} onClose={close} />}
      {open === 'limit' && <KeyRate apiKey={apiKey} onClose={close} />}
    </>
  );
}

interface EditValues {
  name: string;
  allowed_addresses: string[];
  limited: boolean;
  models?: string[];
  active: boolean;
}

function EditKey({ apiKey, onClose }: Part) {
  const { t } = useTranslation();
  const [form] = Form.useForm<EditValues>();
  const errors = useFormErrors(form);
  const update = useUpdateApiKey();
  const submit = async () => {
    const { active, limited, models, ...rest } = await form.validateFields();
    const status = apiKey.status === 'expired' ? {} : { status: active ? 'active' : 'inactive' };
    update.mutate({ id: apiKey.id, models: limitedTo(limited, models), ...rest, ...status }, { onSuccess: onClose, onError: errors.show });
  };
  return (
    <Modal
      open
      title={t('keyMore.edit')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={update.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} />}
      <Form
        form={form}
        layout="vertical"
        initialValues={{
          name: apiKey.name,
          allowed_addresses: apiKey.allowed_addresses,
          limited: apiKey.models != null,
          models: apiKey.models ?? [],
          active: apiKey.status === 'active',
        }}
      >
        <Form.Item name="name" label={t('keys.name')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
          <Input maxLength={100} />
        </Form.Item>
        <ModelsField />
        <AddressField />
        <Form.Item name="active" label={t('keyMore.active')} valuePropName="checked" extra={t('keyMore.activeHint')}>
          <Switch disabled={apiKey.status === 'expired'} />
        </Form.Item>
      </Form>
    </Modal>
  );
}

function RotateKey({ apiKey, onClose }: Part) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const format = useFormat();
  const rotate = useRotateApiKey();
  const [overlap, setOverlap] = useState<number>(USUAL_OVERLAP);
  if (rotate.data) {
    const { previous } = rotate.data;
    const note = previous && t('keyMore.previous', { hint: previous.hint.slice(-4), date: format.dateTime(previous.expires_at) });
    return <SecretModal secret={rotate.data.key} note={note ?? undefined} onClose={onClose} />;
  }
  return (
    <Modal
      open
      title={t('keyMore.rotateNamed', { name: apiKey.name })}
      okText={t('keyMore.rotate')}
      cancelText={t('common.cancel')}
      confirmLoading={rotate.isPending}
      onOk={() => rotate.mutate({ id: apiKey.id, overlap_seconds: overlap })}
      onCancel={onClose}
    >
      {rotate.isError && <Alert type="error" showIcon title={describe(rotate.error)} />}
      <p>{t('keyMore.rotateHint')}</p>
      <OverlapField id="key-overlap" value={overlap} onChange={setOverlap} />
    </Modal>
  );
}

function KeyRate({ apiKey, onClose }: Part) {
  const query = useQuery(keyRateQuery(apiKey.id));
  if (query.isPending) return null;
  return <RateForm limit={query.data} fixed={{ path: keyRatePath(apiKey.id), name: apiKey.name }} onClose={onClose} />;
}
