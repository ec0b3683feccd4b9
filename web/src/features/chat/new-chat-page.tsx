import { BookOutlined, BulbOutlined, CodeOutlined, TranslationOutlined } from '@ant-design/icons';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Alert, App } from 'antd';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { appendMessages, createConversation, postMessage } from '@/api/chat';
import { useChatPreference } from '@/api/chat-preference';
import { modelsQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { findAskableBases, useAskableBases } from '@/api/knowledge';
import { useDescribe } from '@/lib/use-describe';
import { useTitle } from '@/lib/use-title';
import styles from './chat.module.css';
import { Composer, type ComposerRef } from './composer';
import { defaultModel, ModelPicker } from './model-picker';

const route = getRouteApi('/shell/chat');

/** An empty chat. The conversation is made with its first question. */
export function NewChatPage() {
  const { t } = useTranslation();
  useTitle(t('app.newChat'));
  const { base } = route.useSearch();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const { data: me } = useQuery(meQuery);
  const models = useQuery(modelsQuery);
  const [model, setModel] = useState<string>();
  const [chosen, setChosen] = useState<string[] | undefined>(base ? [base] : undefined);
  const { knowledge_base_ids } = useChatPreference();
  // Looked up to the end, whatever is chosen: a question that was sent may wait for them.
  const { bases: usual } = useAskableBases(knowledge_base_ids);
  const bases = chosen ?? usual.map(({ id }) => id);
  const [sending, setSending] = useState(false);
  const composer = useRef<ComposerRef>(null);
  const answering = model ?? defaultModel(models.data?.items ?? [])?.id;

  const start = async (content: string) => {
    setSending(true);
    try {
      // A question may be sent before the usual bases are known, but goes out with all of them.
      const asked = chosen ?? (await findAskableBases(client, knowledge_base_ids)).map(({ id }) => id);
      const conversation = await createConversation({ model_config_id: answering ?? null, knowledge_base_ids: asked });
      const sent = await postMessage(conversation.id, { content });
      appendMessages(client, conversation.id, null, [sent.user_message, sent.assistant_message]);
      void client.invalidateQueries({ queryKey: ['conversations', 'list'] });
      await navigate({ to: '/chat/$conversationId', params: { conversationId: conversation.id } });
      return true;
    } catch (error) {
      toast.error(describe(error));
      return false;
    } finally {
      setSending(false);
    }
  };
  return (
    <div className={styles.frame}>
      <section className={styles.chat}>
        <header className={styles.head}>
          <ModelPicker value={model} onChange={setModel} />
        </header>
        <div className={styles.welcome}>
          <div className={styles.welcomeInner}>
            <h1 className={styles.greeting}>{t('chat.greeting', { name: me?.display_name ?? me?.username ?? '' })}</h1>
            {models.isSuccess && !answering && (
              <Alert
                type="warning"
                showIcon
                title={t('chat.noModel')}
                description={<Link to="/providers">{t('chat.addProvider')}</Link>}
              />
            )}
            <Composer ref={composer} bases={bases} onBases={setChosen} onSend={start} sending={sending} />
            <Ideas
              onDocuments={() => void navigate({ to: '/welcome' })}
              onIdea={(idea) => composer.current?.suggest(idea)}
            />
          </div>
        </div>
      </section>
    </div>
  );
}

/** Where to begin. Prompts of Ant Design X are no buttons, so the keyboard cannot reach them. */
function Ideas({ onDocuments, onIdea }: { onDocuments: () => void; onIdea: (text: string) => void }) {
  const { t } = useTranslation();
  const ideas = [
    { icon: <BookOutlined />, title: t('chat.ideas.documents'), text: t('chat.ideas.documentsHint'), start: onDocuments },
    { icon: <BulbOutlined />, title: t('chat.ideas.explain'), text: t('chat.ideas.explainPrompt') },
    { icon: <CodeOutlined />, title: t('chat.ideas.code'), text: t('chat.ideas.codePrompt') },
    { icon: <TranslationOutlined />, title: t('chat.ideas.translate'), text: t('chat.ideas.translatePrompt') },
  ];
  return (
    <ul className={styles.ideas} aria-label={t('chat.ideas.title')}>
      {ideas.map(({ icon, title, text, start }) => (
        <li key={title}>
          <button type="button" className={styles.idea} onClick={start ?? (() => onIdea(text))}>
            <span className={styles.ideaIcon} aria-hidden>
              {icon}
            </span>
            <span>
              <strong>{title}</strong>
              <span className={styles.ideaText}>{text}</span>
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
