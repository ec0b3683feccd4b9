import { Alert, Button, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import { CopyButton } from '@/components/copy-button';
import styles from './admin.module.css';

interface SecretLinkProps {
  title: string;
  /** Absent where the link was sent by e-mail. */
  link: string | null | undefined;
  once: string;
  mailed: string;
  onClose: () => void;
}

/** Shows a one-time link the only time that it can be seen. */
export function SecretLink({ title, link, once, mailed, onClose }: SecretLinkProps) {
  const { t } = useTranslation();
  return (
    <Modal
      open
      title={title}
      footer={
        <Button type={link ? 'default' : 'primary'} onClick={onClose}>
          {t('common.done')}
        </Button>
      }
      onCancel={onClose}
      mask={{ closable: false }}
    >
      <Alert type={link ? 'warning' : 'success'} showIcon title={link ? once : mailed} />
      {link && (
        <div className={styles.secret}>
          <code data-testid="secret-link">{link}</code>
          <CopyButton text={link} labelled type="primary" size="middle" />
        </div>
      )}
    </Modal>
  );
}
