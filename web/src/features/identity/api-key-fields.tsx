import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Form, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { rightsQuery } from '@/api/access';
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
