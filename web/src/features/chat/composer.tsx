import { ArrowUpOutlined } from '@ant-design/icons';
import Sender, { type SenderRef } from '@ant-design/x/es/sender';
import { Button, Input, Tooltip, type GetProps, type GetRef } from 'antd';
import { useImperativeHandle, useRef, useState, type KeyboardEvent, type Ref } from 'react';
import { useTranslation } from 'react-i18next';
import { useChatPreference } from '@/api/chat-preference';
import styles from './chat.module.css';
import { KnowledgePicker } from './knowledge-picker';

export interface ComposerRef {
  /** Puts an idea after what is typed, to be changed or sent. */
  suggest: (idea: string) => void;
}

interface ComposerProps {
  ref?: Ref<ComposerRef>;
  bases: string[];
  onBases: (ids: string[]) => void;
  /** Resolves to false when the text was not accepted and must be kept. */
  onSend: (text: string) => Promise<boolean>;
  /** Set while an answer is running. */
  onStop?: (() => void) | undefined;
  sending: boolean;
}

function LabelledArea({ ref, ...props }: GetProps<typeof Input.TextArea> & { ref?: Ref<GetRef<typeof Input.TextArea>> }) {
  const { t } = useTranslation();
  return <Input.TextArea {...props} ref={ref} aria-label={t('chat.placeholder')} autoFocus />;
}

const COMPONENTS = { input: LabelledArea };

export function Composer({ ref, bases, onBases, onSend, onStop, sending }: ComposerProps) {
  const { t } = useTranslation();
  const { send_with } = useChatPreference();
  const sender = useRef<SenderRef>(null);
  const [text, setText] = useState('');
  const [suggested, setSuggested] = useState({ typed: '', whole: '' });
  const ready = text.trim() !== '' && !sending && !onStop;

  useImperativeHandle(ref, () => ({
    suggest: (idea) => {
      // An idea that nobody has touched gives way to the next one; what was typed stays.
      const typed = text === suggested.whole ? suggested.typed : text.trimEnd();
      const whole = typed === '' ? idea : `${typed}\n\n${idea}`;
      setSuggested({ typed, whole });
      setText(whole);
      sender.current?.focus({ cursor: 'end' });
    },
  }));

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
      ref={sender}
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
