import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { scimTokensQuery, useRotateScimToken } from '@/api/provisioning';
import type { CreatedScimToken, ScimToken } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { OverlapField, USUAL_OVERLAP } from '@/components/overlap-field';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './admin.module.css';

/** A token and the address beside it, the only time that the token can be seen. */
export function ScimSecret({ made, address, onClose }: { made: CreatedScimToken; address: string; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const kept =
    made.previous_expires_at &&
    t('provisioning.oldWorks', { hint: made.previous_hint?.slice(-4), date: format.dateTime(made.previous_expires_at) });
  return (
    <Modal
      open
      title={t('provisioning.shown')}
      footer={
        <Button onClick={onClose}>
          {t('common.done')}
        </Button>
      }
      onCancel={onClose}
      mask={{ closable: false }}
    >
      <Alert type="warning" showIcon title={t('provisioning.once')} description={kept} className={styles.alert} />
      <div>{t('provisioning.address')}</div>
      <div className={styles.secret}>
        <code>{address}</code>
        <CopyButton text={address} labelled type="default" size="middle" />
      </div>
      <div>{t('provisioning.secret')}</div>
      <div className={styles.secret}>
        <code data-testid="scim-token">{made.token}</code>
        <CopyButton text={made.token} labelled type="primary" size="middle" />
      </div>
    </Modal>
  );
}

export function RotateScimToken({ token, onClose }: { token: ScimToken; onClose: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const rotate = useRotateScimToken();
  const { data } = useQuery(scimTokensQuery);
  const [overlap, setOverlap] = useState<number>(USUAL_OVERLAP);
  if (rotate.data) return <ScimSecret made={rotate.data} address={data?.base_url ?? ''} onClose={onClose} />;
  return (
    <Modal
      open
      title={t('provisioning.rotateTitle', { name: token.name })}
      okText={t('provisioning.rotate')}
      cancelText={t('common.cancel')}
      confirmLoading={rotate.isPending}
      onOk={() => rotate.mutate({ id: token.id, overlap_seconds: overlap })}
      onCancel={onClose}
    >
      {rotate.isError && <Alert type="error" showIcon title={describe(rotate.error)} className={styles.alert} />}
      <p>{t('provisioning.rotateHint')}</p>
      <OverlapField id="scim-overlap" value={overlap} onChange={setOverlap} />
    </Modal>
  );
}
