import { ArrowRightOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { Alert, App, Button, Form, Input, Steps } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { createConversation, postMessage } from '@/api/chat';
import { documentsQuery, knowledgeBaseQuery, knowledgeBasesQuery, useSaveKnowledgeBase } from '@/api/knowledge';
import type { KnowledgeBase } from '@/api/types';
import { Page, Section } from '@/components/page';
import { ErrorState, QueryState } from '@/components/states';
import { useDescribe } from '@/lib/use-describe';
import { MAX_NAME } from './base-form';
import { DocumentList } from './document-list';
import { Dropzone } from './dropzone';
import { freeName } from './free-name';
import styles from './knowledge.module.css';
import { useUploads } from './uploads';

const route = getRouteApi('/shell/welcome');

/** Bases that are offered to go on with; the others are on their own page. */
const OFFERED = 6;

/** Ask your documents in three steps: make a base, drop files in, ask. */
export function WelcomePage() {
  const { t } = useTranslation();
  const { base: id, step } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery({ ...knowledgeBaseQuery(id ?? ''), enabled: id !== undefined });
  const upload = (base: string) => void navigate({ search: { base } });
  // One that was deleted since is chosen anew.
  const current = id === undefined || query.isLoadingError ? 0 : step === 'ask' ? 2 : 1;
  return (
    <Page
      title={t('welcome.title')}
      description={t('welcome.intro')}
      actions={<Link to="/chat">{t('welcome.skip')}</Link>}
    >
      <Steps
        className={styles.steps}
        current={current}
        responsive={false}
        titlePlacement="vertical"
        items={[{ title: t('welcome.base') }, { title: t('welcome.upload') }, { title: t('welcome.ask') }]}
      />
      {query.isLoadingError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {current === 0 && <BaseStep onDone={upload} />}
      {id !== undefined && current === 1 && (
        <UploadStep base={id} onDone={() => void navigate({ search: { base: id, step: 'ask' } })} />
      )}
      {id !== undefined && current === 2 && (
        <QueryState query={query}>{() => query.data && <AskStep base={query.data} onBack={() => upload(id)} />}</QueryState>
      )}
    </Page>
  );
}

function BaseStep({ onDone }: { onDone: (base: string) => void }) {
  const query = useInfiniteQuery(knowledgeBasesQuery);
  const bases = query.data?.pages.flatMap((page) => page.items) ?? [];
  const own = bases.filter(({ editable }) => editable).slice(0, OFFERED);
  return (
    <QueryState query={query}>
      {() => (
        <>
          <NewBase taken={bases.map(({ name }) => name)} onDone={onDone} />
          {own.length > 0 && <OwnBases bases={own} />}
        </>
      )}
    </QueryState>
  );
}

function OwnBases({ bases }: { bases: KnowledgeBase[] }) {
  const { t } = useTranslation();
  return (
    <div className={styles.existing}>
      <Section title={t('welcome.existing')} extra={<Link to="/knowledge">{t('chat.manageBases')}</Link>}>
        <ul className={styles.grid}>
          {bases.map((base) => (
            <li key={base.id}>
              <Link to="/welcome" search={{ base: base.id }} className={styles.choice}>
                <strong>{base.name}</strong>
                <small>{t('knowledge.documentCount', { count: base.document_count })}</small>
              </Link>
            </li>
          ))}
        </ul>
      </Section>
    </div>
  );
}

function NewBase({ taken, onDone }: { taken: string[]; onDone: (base: string) => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const save = useSaveKnowledgeBase();
  return (
    <Form
      layout="vertical"
      className={styles.narrow}
      initialValues={{ name: freeName(t('welcome.baseName'), taken) }}
      onFinish={({ name }: { name: string }) =>
        save.mutate({ name: name.trim() }, { onSuccess: ({ id }) => onDone(id) })
      }
    >
      <p>{t('welcome.baseHint')}</p>
      {save.isError && <Alert type="error" showIcon title={describe(save.error)} />}
      <Form.Item name="name" label={t('knowledge.name')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
        <Input size="large" maxLength={MAX_NAME} autoFocus />
      </Form.Item>
      <Button type="primary" size="large" htmlType="submit" loading={save.isPending}>
        {t('welcome.createBase')}
      </Button>
    </Form>
  );
}

function UploadStep({ base, onDone }: { base: string; onDone: () => void }) {
  const { t } = useTranslation();
  const uploads = useUploads(base);
  const query = useInfiniteQuery(documentsQuery(base));
  const documents = query.data?.pages.flatMap((page) => page.items) ?? [];
  const ready = documents.some((document) => document.status === 'completed');
  return (
    <>
      <p>{t('welcome.uploadHint')}</p>
      <Dropzone onFiles={uploads.add} />
      {(documents.length > 0 || uploads.items.length > 0) && (
        <DocumentList
          editable
          base={base}
          uploads={uploads.items}
          onRetryUpload={uploads.retry}
          onRemoveUpload={uploads.remove}
        />
      )}
      <div className={styles.next}>
        <Button
          type="primary"
          size="large"
          icon={<ArrowRightOutlined />}
          iconPlacement="end"
          disabled={!ready}
          onClick={onDone}
        >
          {t('welcome.toAsk')}
        </Button>
        {!ready && <span>{documents.length > 0 ? t('welcome.waitForFirst') : t('welcome.dropFirst')}</span>}
      </div>
    </>
  );
}

function AskStep({ base, onBack }: { base: KnowledgeBase; onBack: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const [question, setQuestion] = useState(t('welcome.question'));
  const [asking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    try {
      const conversation = await createConversation({ knowledge_base_ids: [base.id] });
      await postMessage(conversation.id, { content: question.trim() });
      await navigate({ to: '/chat/$conversationId', params: { conversationId: conversation.id } });
    } catch (error) {
      toast.error(describe(error));
      setAsking(false);
    }
  };
  return (
    <div className={styles.narrow}>
      <p>{t('welcome.askHint', { name: base.name })}</p>
      <Input.TextArea
        autoFocus
        aria-label={t('welcome.ask')}
        autoSize={{ minRows: 3, maxRows: 8 }}
        value={question}
        onChange={(event) => setQuestion(event.target.value)}
      />
      <div className={styles.next}>
        <Button type="primary" size="large" loading={asking} disabled={question.trim() === ''} onClick={() => void ask()}>
          {t('welcome.askButton')}
        </Button>
        <Button size="large" onClick={onBack}>
          {t('common.back')}
        </Button>
      </div>
    </div>
  );
}
