import { BookOutlined, BulbOutlined, CodeOutlined, TranslationOutlined } from '@ant-design/icons';
import { Prompts } from '@ant-design/x';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Alert, App } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { appendMessages, createConversation, postMessage } from '@/api/chat';
import { modelsQuery } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import { useDescribe } from '@/lib/use-describe';
import { useTitle } from '@/lib/use-title';
import styles from './chat.module.css';
import { Composer } from './composer';
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
  const [bases, setBases] = useState<string[]>(base ? [base] : []);
  const [sending, setSending] = useState(false);
  const [draft, setDraft] = useState('');
  const answering = model ?? defaultModel(models.data?.items ?? [])?.id;

  const start = async (content: string) => {
    setSending(true);
    try {
      const conversation = await createConversation({ model_config_id: answering ?? null, knowledge_base_ids: bases });
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
  const ideas = [
    { key: 'documents', icon: <BookOutlined />, label: t('chat.ideas.documents'), description: t('chat.ideas.documentsHint') },
    { key: 'explain', icon: <BulbOutlined />, label: t('chat.ideas.explain'), description: t('chat.ideas.explainPrompt') },
    { key: 'code', icon: <CodeOutlined />, label: t('chat.ideas.code'), description: t('chat.ideas.codePrompt') },
    { key: 'translate', icon: <TranslationOutlined />, label: t('chat.ideas.translate'), description: t('chat.ideas.translatePrompt') },
  ];
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
            <Composer key={draft} draft={draft} bases={bases} onBases={setBases} onSend={start} sending={sending} />
            <Prompts
              className={styles.ideas}
              items={ideas}
              wrap
              styles={{ item: { flex: '1 1 240px' } }}
              onItemClick={({ data }) => {
                if (data.key === 'documents') void navigate({ to: '/welcome' });
                else if (typeof data.description === 'string') setDraft(data.description);
              }}
            />
          </div>
        </div>
      </section>
    </div>
  );
}
