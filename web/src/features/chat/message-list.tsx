import { Button, Skeleton } from 'antd';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import { DownOutlined } from '@ant-design/icons';
import { useTranslation } from 'react-i18next';
import type { Message } from '@/api/types';
import { useInView } from '@/lib/use-in-view';
import styles from './chat.module.css';
import { MessageItem, type MessageHandlers } from './message-item';

interface MessageListProps {
  messages: Message[];
  handlers: MessageHandlers;
  busy: boolean;
  hasOlder: boolean;
  loadingOlder: boolean;
  onOlder: () => void;
}

/** Nearer to the end than this, the list follows what is being written. */
const STICKY_PX = 80;

export function MessageList({ messages, handlers, busy, hasOlder, loadingOlder, onOlder }: MessageListProps) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const heightBefore = useRef(0);
  const [away, setAway] = useState(false);
  const top = useInView(onOlder, hasOlder && !loadingOlder);
  const first = messages[0]?.id;
  const last = messages.at(-1)?.id;

  const toEnd = () => {
    if (scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  };
  // A message of one's own is always followed.
  useLayoutEffect(() => {
    following.current = true;
    toEnd();
  }, [last]);
  // Older messages come in above: what is being read must not move.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    if (!following.current && heightBefore.current > 0) box.scrollTop += box.scrollHeight - heightBefore.current;
    heightBefore.current = box.scrollHeight;
  }, [first]);
  useEffect(() => {
    if (!content.current) return;
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd();
      heightBefore.current = scroller.current?.scrollHeight ?? 0;
    });
    observer.observe(content.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const box = scroller.current;
    if (!box) return;
    const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
    following.current = distance < STICKY_PX;
    setAway(distance > 400);
  };
  return (
    <div className={styles.messagesFrame}>
      <div
        ref={scroller}
        className={styles.messages}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-label={t('chat.messages')}
      >
        <div ref={content} className={styles.column}>
          <div ref={top} />
          {loadingOlder && <Skeleton active title={false} />}
          {messages.map((message) => (
            <MessageItem key={message.id} message={message} handlers={handlers} busy={busy} />
          ))}
        </div>
      </div>
      {away && (
        <Button
          className={styles.toEnd}
          shape="circle"
          icon={<DownOutlined />}
          aria-label={t('chat.toEnd')}
          onClick={() => {
            following.current = true;
            toEnd();
          }}
        />
      )}
    </div>
  );
}
