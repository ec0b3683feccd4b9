import { EditOutlined, LeftOutlined, QuestionCircleOutlined, RedoOutlined, RightOutlined } from '@ant-design/icons';
import { Button, Tooltip } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Message } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { useFormat } from '@/lib/use-format';
import type { MessageHandlers } from './message-item';
import styles from './message.module.css';

interface MessageActionsProps {
  message: Message;
  busy: boolean;
  handlers: MessageHandlers;
  onEdit?: () => void;
}

export function MessageActions({ message, busy, handlers, onEdit }: MessageActionsProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const tokens = (message.prompt_tokens ?? 0) + (message.completion_tokens ?? 0);
  return (
    <div className={styles.actions}>
      <BranchSwitch message={message} disabled={busy} onBranch={handlers.onBranch} />
      <CopyButton text={message.content} />
      {onEdit && <Action label={t('chat.edit')} icon={<EditOutlined />} disabled={busy} onClick={onEdit} />}
      {message.role === 'assistant' && (
        <>
          <Action
            label={t('chat.regenerate')}
            icon={<RedoOutlined />}
            disabled={busy}
            onClick={() => handlers.onRegenerate(message)}
          />
          <Action
            label={t('chat.why')}
            icon={<QuestionCircleOutlined />}
            onClick={() => handlers.onExplain(message)}
          />
          <span className={styles.meta}>
            {[message.model, tokens > 0 && t('chat.tokens', { count: tokens, formatted: format.number(tokens) })]
              .filter(Boolean)
              .join(' · ')}
          </span>
        </>
      )}
    </div>
  );
}

interface ActionProps {
  label: string;
  icon: ReactNode;
  disabled?: boolean;
  onClick: () => void;
}

function Action({ label, icon, disabled = false, onClick }: ActionProps) {
  return (
    <Tooltip title={label}>
      <Button type="text" size="small" icon={icon} aria-label={label} disabled={disabled} onClick={onClick} />
    </Tooltip>
  );
}

function BranchSwitch({
  message,
  disabled,
  onBranch,
}: {
  message: Message;
  disabled: boolean;
  onBranch: (messageId: string) => void;
}) {
  const { t } = useTranslation();
  const { siblings } = message;
  const at = siblings.indexOf(message.id);
  if (siblings.length < 2 || at < 0) return null;
  const go = (index: number) => {
    const id = siblings[index];
    if (id) onBranch(id);
  };
  return (
    <span className={styles.branch} role="group" aria-label={t('chat.branches')}>
      <Action
        label={t('chat.previousBranch')}
        icon={<LeftOutlined />}
        disabled={disabled || at === 0}
        onClick={() => go(at - 1)}
      />
      <span>
        {at + 1}/{siblings.length}
      </span>
      <Action
        label={t('chat.nextBranch')}
        icon={<RightOutlined />}
        disabled={disabled || at === siblings.length - 1}
        onClick={() => go(at + 1)}
      />
    </span>
  );
}
