import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { conversationQuery, flattenMessages, messagesQuery, useSwitchBranch, useUpdateConversation } from '@/api/chat';
import type { PassageRef } from '@/api/knowledge';
import type { Message } from '@/api/types';
import { PassagePanel } from '@/components/passage-panel';
import { ErrorState, ListSkeleton } from '@/components/states';
import { useTitle } from '@/lib/use-title';
import styles from './chat.module.css';
import { Composer } from './composer';
import { ExplanationDrawer } from './explanation-drawer';
import { isRunning } from './live';
import type { MessageHandlers } from './message-item';
import { MessageList } from './message-list';
import { ModelPicker } from './model-picker';
import { useChat } from './use-chat';

const route = getRouteApi('/shell/chat/$conversationId');

export function ConversationPage() {
  const { conversationId } = route.useParams();
  return <ConversationView key={conversationId} id={conversationId} />;
}

function ConversationView({ id }: { id: string }) {
  const { t } = useTranslation();
  const conversation = useQuery(conversationQuery(id));
  const query = useInfiniteQuery(messagesQuery(id));
  const update = useUpdateConversation();
  const { mutate: switchBranch } = useSwitchBranch(id);
  const { send, regenerate, stop, sending } = useChat(id);
  const [passage, setPassage] = useState<PassageRef>();
  const [explained, setExplained] = useState<Message>();
  const [chosen, setChosen] = useState<{ model?: string; bases?: string[] }>({});

  useTitle(conversation.data?.title || t('chat.untitled'));
  const messages = useMemo(() => flattenMessages(query.data), [query.data]);
  const running = messages.find(isRunning);
  const model = chosen.model ?? conversation.data?.model_config_id ?? undefined;
  const bases = chosen.bases ?? conversation.data?.knowledge_base_ids ?? [];
  const stopRunning = running && (() => void stop(running.id));
  useEscape(stopRunning);

  const ask = (content: string, parent: string | null) =>
    send({ content, parent_id: parent, model_config_id: model, knowledge_base_ids: bases });
  const handlers: MessageHandlers = {
    onEdit: (message, text) => ask(text, message.parent_id ?? null),
    onRegenerate: (message) => void regenerate(message),
    onBranch: (messageId) => switchBranch(messageId),
    onExplain: (message) => {
      setPassage(undefined);
      setExplained(message);
    },
    onPassage: setPassage,
  };
  if (query.isError) {
    return (
      <div className={styles.failure}>
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  return (
    <div className={styles.frame}>
      <section className={styles.chat}>
        <header className={styles.head}>
          <ModelPicker
            value={model}
            onChange={(value) => {
              setChosen({ ...chosen, model: value });
              update.mutate({ id, model_config_id: value });
            }}
          />
          <h1 className={styles.title}>{conversation.data?.title || t('chat.untitled')}</h1>
        </header>
        {query.isPending ? (
          <div className={styles.messagesFrame}>
            <div className={styles.column}>
              <ListSkeleton />
            </div>
          </div>
        ) : (
          <MessageList
            messages={messages}
            handlers={handlers}
            busy={sending || running !== undefined}
            hasOlder={query.hasNextPage}
            loadingOlder={query.isFetchingNextPage}
            onOlder={() => void query.fetchNextPage()}
          />
        )}
        <div className={styles.composer}>
          <Composer
            bases={bases}
            onBases={(value) => {
              setChosen({ ...chosen, bases: value });
              update.mutate({ id, knowledge_base_ids: value });
            }}
            onSend={(text) => ask(text, messages.at(-1)?.id ?? null)}
            onStop={stopRunning}
            sending={sending}
          />
          <p className={styles.notice}>{t('chat.notice')}</p>
        </div>
      </section>
      <PassagePanel passage={passage} onClose={() => setPassage(undefined)} />
      <ExplanationDrawer message={explained} onClose={() => setExplained(undefined)} onPassage={setPassage} />
    </div>
  );
}

/** Esc stops the answer, unless it closes something that lies above the chat. */
function useEscape(stop: (() => void) | undefined): void {
  useEffect(() => {
    if (!stop) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('.ant-modal, .ant-drawer-open')) stop();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [stop]);
}
