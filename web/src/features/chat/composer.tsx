import { ArrowUpOutlined } from '@ant-design/icons';
import { Sender } from '@ant-design/x';
import { Button, Input, Tooltip, type GetProps, type GetRef } from 'antd';
import { useState, type KeyboardEvent, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import { useChatPreference } from '@/api/chat-preference';
import styles from './chat.module.css';
import { KnowledgePicker } from './knowledge-picker';

interface ComposerProps {
  bases: string[];
  onBases: (ids: string[]) => void;
  /** Resolves to false when the text was not accepted and must be kept. */
  onSend: (text: string) => Promise<boolean>;
  /** Set while an answer is running. */
  onStop?: (() => void) | undefined;
  sending: boolean;
  draft?: string;
}

function LabelledArea({ ref, ...props }: GetProps<typeof Input.TextArea> & { ref?: Ref<GetRef<typeof Input.TextArea>> }) {
  const { t } = useTranslation();
  return <Input.TextArea {...props} ref={ref} aria-label={t('chat.placeholder')} autoFocus />;
}

const COMPONENTS = { input: LabelledArea };

export function Composer({ bases, onBases, onSend, onStop, sending, draft = '' }: ComposerProps) {
  const { t } = useTranslation();
  const { send_with } = useChatPreference();
  const [text, setText] = useState(draft);
  const ready = text.trim() !== '' && !sending && !onStop;

  const send = async () => {
    if (!ready) return;
    const wanted = text;
    setText('');
    if (!(await onSend(wanted.trim()))) setText((now) => (now === '' ? wanted : now));
  };
  // Every Enter is judged here: Sender itself sends only while its own button, which is not shown, can be pressed.
  const onKeyDown = (event: KeyboardEvent): false | undefined => {
    if (event.key !== 'Enter') return undefined;
    const plain = send_with === 'enter' && !event.shiftKey && !event.altKey;
    // While a word is composed, Enter belongs to the input method.
    if (!event.nativeEvent.isComposing && (plain || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void send();
    }
    return false;
  };
  return (
    <Sender
      className={styles.sender}
      value={text}
      onChange={setText}
      onKeyDown={onKeyDown}
      placeholder={t('chat.placeholder')}
      autoSize={{ minRows: 1, maxRows: 9 }}
      components={COMPONENTS}
      suffix={false}
      footer={
        <div className={styles.tools}>
          <KnowledgePicker value={bases} onChange={onBases} />
          <span className={styles.keys}>{t(send_with === 'ctrl_enter' ? 'chat.keysCtrl' : 'chat.keys')}</span>
          {onStop ? (
            <Tooltip title={t('chat.stop')}>
              <Button
                shape="circle"
                aria-label={t('chat.stop')}
                aria-keyshortcuts="Escape"
                icon={<span className={styles.stopIcon} />}
                onClick={onStop}
              />
            </Tooltip>
          ) : (
            <Tooltip title={t('chat.send')}>
              <Button
                type="primary"
                shape="circle"
                aria-label={t('chat.send')}
                aria-keyshortcuts="Control+Enter"
                icon={<ArrowUpOutlined />}
                loading={sending}
                disabled={!ready && !sending}
                onClick={() => void send()}
              />
            </Tooltip>
          )}
        </div>
      }
    />
  );
}
