import { DownloadOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { meQuery } from '@/api/identity';
import { CopyButton } from '@/components/copy-button';
import styles from './security.module.css';

/** The codes, the only time that they can be seen. */
export function RecoveryCodesView({ codes }: { codes: string[] }) {
  const { t } = useTranslation();
  const { data: me } = useQuery(meQuery);
  const text = codes.join('\n');
  const download = () => {
    const head = t('security.codesFile', { account: me?.username ?? '' });
    const url = URL.createObjectURL(new Blob([`${head}\n\n${text}\n`], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = 'lyceum-recovery-codes.txt';
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <>
      <Alert type="warning" showIcon title={t('security.codesOnce')} description={t('security.codesCopied')} />
      <ul className={styles.codes} data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <div className={styles.codeActions}>
        <CopyButton text={text} labelled type="default" size="middle" />
        <Button icon={<DownloadOutlined />} onClick={download}>
          {t('security.codesDownload')}
        </Button>
      </div>
    </>
  );
}

export function RecoveryCodesDialog({ codes, onClose }: { codes: string[] | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal
      open={codes !== undefined}
      title={t('security.codesTitle')}
      okText={t('security.codesDone')}
      onOk={onClose}
      closable={false}
      keyboard={false}
      mask={{ closable: false }}
      cancelButtonProps={{ hidden: true }}
      destroyOnHidden
    >
      {codes && <RecoveryCodesView codes={codes} />}
    </Modal>
  );
}
