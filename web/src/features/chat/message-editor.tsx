import { Button, Input } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import styles from './message.module.css';

interface MessageEditorProps {
  text: string;
  onSave: (text: string) => Promise<void>;
  onCancel: () => void;
}

/** Changes a question in place; saving starts a new branch. */
export function MessageEditor({ text, onSave, onCancel }: MessageEditorProps) {
  const { t } = useTranslation();
  const [value, setValue] = useState(text);
  const [saving, setSaving] = useState(false);
  const save = async () => {
    if (value.trim() === '') return;
    setSaving(true);
    await onSave(value.trim());
    setSaving(false);
  };
  return (
    <div className={styles.editor}>
      <Input.TextArea
        autoFocus
        aria-label={t('chat.editQuestion')}
        autoSize={{ minRows: 2, maxRows: 12 }}
        value={value}
        onChange={(event) => setValue(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            onCancel();
          } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            void save();
          }
        }}
      />
      <div className={styles.editorActions}>
        <Button onClick={onCancel}>{t('common.cancel')}</Button>
        <Button type="primary" loading={saving} disabled={value.trim() === ''} onClick={() => void save()}>
          {t('chat.resend')}
        </Button>
      </div>
    </div>
  );
}
