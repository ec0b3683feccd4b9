import { UploadOutlined, UserOutlined } from '@ant-design/icons';
import { App, Avatar, Button, Modal, Popconfirm, Upload } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAvatar } from '@/api/account';
import type { Me } from '@/api/types';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';

const MAX_BYTES = 5 * 1024 * 1024;

interface Chosen {
  file: File;
  url: string;
}

/** Chooses, previews and removes the own picture. */
export function AvatarEditor({ me }: { me: Me }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const change = useAvatar();
  const [chosen, setChosen] = useState<Chosen>();
  const close = () => {
    if (chosen) URL.revokeObjectURL(chosen.url);
    setChosen(undefined);
  };
  const choose = (file: File) => {
    if (file.size > MAX_BYTES) void toast.error(t('myProfile.avatarTooLarge'));
    else setChosen({ file, url: URL.createObjectURL(file) });
    return false;
  };
  const onError = (error: unknown) => void toast.error(describe(error));
  return (
    <div className={styles.avatarRow}>
      <Avatar size={72} src={me.avatar_url} icon={<UserOutlined />} className={styles.avatar} alt={t('myProfile.avatar')} />
      <div>
        <div className={styles.avatarActions}>
          <Upload accept="image/png,image/jpeg,image/webp,image/gif" showUploadList={false} beforeUpload={choose}>
            <Button icon={<UploadOutlined />}>{t('myProfile.avatarChoose')}</Button>
          </Upload>
          {me.avatar_url && (
            <Popconfirm
              title={t('myProfile.avatarRemove')}
              okText={t('common.delete')}
              cancelText={t('common.cancel')}
              onConfirm={() =>
                change.mutate(null, { onSuccess: () => void toast.success(t('myProfile.avatarRemoved')), onError })
              }
            >
              <Button danger>{t('myProfile.avatarRemove')}</Button>
            </Popconfirm>
          )}
        </div>
        <p className={styles.note}>{t('myProfile.avatarHint')}</p>
      </div>
      <Modal
        open={chosen !== undefined}
        title={t('myProfile.avatarPreview')}
        okText={t('myProfile.avatarSave')}
        cancelText={t('common.cancel')}
        confirmLoading={change.isPending}
        onCancel={close}
        onOk={() =>
          chosen &&
          change.mutate(chosen.file, {
            onSuccess: () => {
              close();
              void toast.success(t('common.saved'));
            },
            onError,
          })
        }
      >
        {chosen && (
          <div className={styles.preview}>
            {[160, 72, 30].map((size) => (
              <Avatar key={size} size={size} src={chosen.url} alt={t('myProfile.avatarPreview')} />
            ))}
          </div>
        )}
      </Modal>
    </div>
  );
}
