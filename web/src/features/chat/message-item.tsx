import Bubble from '@ant-design/x/es/bubble';
import { Alert, Button, Collapse, Spin } from 'antd';
import { memo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { PassageRef } from '@/api/knowledge';
import type { Citation, Message } from '@/api/types';
import { Markdown } from '@/components/markdown';
import { PlaceOf } from '@/components/retrieved-list';
import { describeCode, describeProblem } from '@/lib/use-describe';
import { isRunning, reconnect, useLive } from './live';
import { MessageActions } from './message-actions';
import { MessageEditor } from './message-editor';
import styles from './message.module.css';

export interface MessageHandlers {
  onEdit: (message: Message, text: string) => Promise<boolean>;
  onRegenerate: (message: Message) => void;
  onBranch: (messageId: string) => void;
  onExplain: (message: Message) => void;
  onPassage: (passage: PassageRef) => void;
}

interface MessageItemProps {
  message: Message;
  handlers: MessageHandlers;
  /** Something is running: no second answer may be asked for. */
  busy: boolean;
}

export const MessageItem = memo(function MessageItem({ message, handlers, busy }: MessageItemProps) {
  const { t } = useTranslation();
  const label = message.role === 'user' ? t('chat.you') : t('chat.assistant');
  return (
    <article className={styles.item} aria-label={label} data-role={message.role} data-status={message.status}>
      {message.role === 'user' ? (
        <UserMessage message={message} handlers={handlers} busy={busy} />
      ) : (
        <AssistantMessage message={message} handlers={handlers} busy={busy} />
      )}
    </article>
  );
});

function UserMessage({ message, handlers, busy }: MessageItemProps) {
  const [editing, setEditing] = useState(false);
  if (editing) {
    return (
      <MessageEditor
        text={message.content}
        onCancel={() => setEditing(false)}
        onSave={async (text) => {
          if (await handlers.onEdit(message, text)) setEditing(false);
        }}
      />
    );
  }
  return (
    <>
      <Bubble
        placement="end"
        variant="filled"
        shape="corner"
        content={message.content}
        contentRender={(content) => <div className={styles.question}>{content}</div>}
      />
      <MessageActions message={message} busy={busy} handlers={handlers} onEdit={() => setEditing(true)} />
    </>
  );
}

function AssistantMessage({ message, handlers, busy }: MessageItemProps) {
  const { t } = useTranslation();
  const live = useLive(message);
  const running = isRunning(message);
  // After a reload the stream starts over: keep what the list already had until it has caught up.
  const content = live && live.content.length >= message.content.length ? live.content : message.content;
  const reasoning = live?.reasoning || message.reasoning;
  const citations = live?.citations.length ? live.citations : message.citations;
  const open = (citation: Citation) => handlers.onPassage(citation);
  return (
    <>
      {reasoning && (
        <Collapse
          ghost
          size="small"
          items={[{ key: 'reasoning', label: t('chat.reasoning'), children: <div className={styles.reasoning}>{reasoning}</div> }]}
        />
      )}
      {content && (
        <Markdown
          content={content}
          streaming={running}
          citations={citations}
          onCitation={(index) => {
            const citation = citations.find((item) => item.index === index);
            if (citation) open(citation);
          }}
        />
      )}
      {running && (
        <div className={styles.progress} role="status">
          <Spin size="small" />
          {live?.reconnecting
            ? t('chat.reconnecting')
            : content
              ? t('chat.writing')
              : live?.status === 'pending'
                ? t('chat.queued')
                : t('chat.thinking')}
        </div>
      )}
      {live?.lost !== undefined && (
        <Alert
          type="warning"
          showIcon
          title={t('chat.streamLost')}
          description={describeProblem(live.lost)}
          action={<Button size="small" onClick={() => reconnect(message)}>{t('common.retry')}</Button>}
        />
      )}
      {message.status === 'error' && <Failure message={message} busy={busy} onRetry={handlers.onRegenerate} />}
      {message.status === 'stopped' && <p className={styles.stopped}>{t('chat.stopped')}</p>}
      <Sources message={message} citations={citations} onOpen={open} />
      {!running && <MessageActions message={message} busy={busy} handlers={handlers} />}
    </>
  );
}

function Failure({ message, busy, onRetry }: { message: Message; busy: boolean; onRetry: (message: Message) => void }) {
  const { t } = useTranslation();
  return (
    <Alert
      type="error"
      showIcon
      title={t('chat.failed')}
      description={message.error ? describeCode(message.error.code, message.error.detail) : undefined}
      action={
        <Button size="small" disabled={busy} onClick={() => onRetry(message)}>
          {t('common.retry')}
        </Button>
      }
    />
  );
}

interface SourcesProps {
  message: Message;
  citations: Citation[];
  onOpen: (citation: Citation) => void;
}

/** What the answer rests on; where it rests on nothing, the nearest passages, said to be just that. */
function Sources({ message, citations, onOpen }: SourcesProps) {
  const { t } = useTranslation();
  const cited = citations.filter((citation) => citation.cited);
  const nearest = cited.length === 0;
  // While an answer is written, a passage that it has not used yet says nothing.
  const shown = nearest && isRunning(message) ? [] : nearest ? citations : cited;
  if (shown.length === 0) return null;
  const label = !nearest
    ? t('chat.sources')
    : message.finish_reason === 'not_found'
      ? t('chat.nearest')
      : t('chat.unsupported');
  return (
    <div className={styles.sources} role="group" aria-label={label} data-nearest={nearest}>
      {nearest && <span className={styles.sourcesNote}>{label}</span>}
      {shown.map((citation) => (
        <button
          key={citation.index}
          type="button"
          className={styles.source}
          title={citation.snippet}
          onClick={() => onOpen(citation)}
        >
          {!nearest && <span className={styles.number}>{citation.index}</span>}
          <span className={styles.sourceTitle}>{citation.document_title}</span>
          <PlaceOf passage={citation} className={styles.page} />
        </button>
      ))}
    </div>
  );
}
