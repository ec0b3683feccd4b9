import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Form, Modal, Radio, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { rightsQuery } from '@/api/access';
import { modelsQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { CopyButton } from '@/components/copy-button';
import { permits } from '@/lib/permissions';
import { useRightText } from './admin/rights';
import { usePermits } from '@/components/use-permits';
import styles from './api-keys.module.css';

/** What a key may do where nothing is chosen. */
export const USUAL_RIGHTS = ['inference:create', 'model:read'];

/** From where a key may be used. */
export function AddressField() {
  const { t } = useTranslation();
  return (
    <Form.Item name="allowed_addresses" label={t('keyMore.addresses')} extra={t('keyMore.addressesHint')}>
      <Select mode="tags" open={false} maxCount={50} tokenSeparators={[',', ' ', ';']} placeholder={t('keyMore.anywhere')} />
    </Form.Item>
  );
}

/** Whether a key may call all models, and if not, which. To take the last name away is not to choose all. */
export function ModelsField() {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const limited = Form.useWatch('limited', form) === true;
  return (
    <>
      <Form.Item name="limited" label={t('keyMore.models')}>
        <Radio.Group
          options={[
            { value: false, label: t('keyMore.allModels') },
            { value: true, label: t('keyMore.onlyThese') },
          ]}
        />
      </Form.Item>
      {limited && <NamesField />}
    </>
  );
}

/** The models by their names; also by names that nothing has yet, which are marked. */
function NamesField() {
  const { t } = useTranslation();
  const { data } = useQuery(modelsQuery);
  const usable = data?.items.filter((item) => item.available).map((item) => item.name);
  // Of a name that is not there, one page of many says nothing.
  const all = data?.next_cursor ? undefined : usable;
  const shown = (name: string) => (all && !all.includes(name) ? t('keyMore.modelUnknown', { name }) : name);
  return (
    <Form.Item
      name="models"
      label={t('keyMore.modelNames')}
      extra={t('keyMore.modelsHint')}
      rules={[{ required: true, message: t('keyMore.modelNeeded') }]}
    >
      <Select
        mode="tags"
        allowClear
        maxCount={100}
        options={[...new Set(usable)].map((value) => ({ value, label: value }))}
        labelRender={({ value }) => shown(String(value))}
      />
    </Form.Item>
  );
}

/** The choice as the server wants it: null for all models. */
export function limitedTo(limited: boolean, models: string[] | undefined): string[] | null {
  return limited ? (models ?? []) : null;
}

/** What a key may do: never more than its owner. */
export function RightsField() {
  const { t } = useTranslation();
  const may = usePermits();
  const right = useRightText();
  const { data: me } = useQuery(meQuery);
  const all = useQuery({ ...rightsQuery, enabled: may('role:read') });
  const own = me?.permissions ?? [];
  const names = [...new Set([...USUAL_RIGHTS, ...(all.data?.items ?? own)])].filter((name) => permits(own, name));
  return (
    <Form.Item
      name="permissions"
      label={t('keyMore.rights')}
      extra={t('keyMore.rightsHint')}
      rules={[{ required: true, message: t('common.required') }]}
    >
      <Select
        mode="multiple"
        showSearch={{ optionFilterProp: 'label' }}
        options={names.map((value) => ({ value, label: right.pattern(value) }))}
      />
    </Form.Item>
  );
}

/** A key, the only time that it can be seen. */
export function SecretModal({ secret, note, onClose }: { secret: string; note?: string | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      open
      title={t('keys.made')}
      footer={
        <Button onClick={onClose}>
          {t('common.done')}
        </Button>
      }
      onCancel={onClose}
      mask={{ closable: false }}
    >
      <Alert type="warning" showIcon title={t('keys.once')} description={note} />
      <div className={styles.secret}>
        <code data-testid="api-key">{secret}</code>
        <CopyButton text={secret} labelled type="primary" size="middle" />
      </div>
    </Modal>
  );
}
