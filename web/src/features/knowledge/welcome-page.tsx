import { ArrowRightOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Alert, App, Button, Form, Input, Steps } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { createConversation, postMessage } from '@/api/chat';
import { documentsQuery, useSaveKnowledgeBase } from '@/api/knowledge';
import type { KnowledgeBase } from '@/api/types';
import { Page } from '@/components/page';
import { useDescribe } from '@/lib/use-describe';
import { MAX_NAME } from './base-form';
import { DocumentList } from './document-list';
import { Dropzone } from './dropzone';
import styles from './knowledge.module.css';
import { useUploads } from './use-uploads';

/** Ask your documents in three steps: make a base, drop files in, ask. */
export function WelcomePage() {
  const { t } = useTranslation();
  const [base, setBase] = useState<KnowledgeBase>();
  const [step, setStep] = useState(0);
  return (
    <Page
      title={t('welcome.title')}
      description={t('welcome.intro')}
      actions={<Link to="/chat">{t('welcome.skip')}</Link>}
    >
      <Steps
        className={styles.steps}
        current={step}
        responsive={false}
        titlePlacement="vertical"
        items={[{ title: t('welcome.base') }, { title: t('welcome.upload') }, { title: t('welcome.ask') }]}
      />
      {step === 0 && (
        <BaseStep
          onDone={(made) => {
            setBase(made);
            setStep(1);
          }}
        />
      )}
      {step === 1 && base && <UploadStep base={base.id} onDone={() => setStep(2)} />}
      {step === 2 && base && <AskStep base={base} onBack={() => setStep(1)} />}
    </Page>
  );
}

function BaseStep({ onDone }: { onDone: (base: KnowledgeBase) => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const save = useSaveKnowledgeBase();
  return (
    <Form
      layout="vertical"
      className={styles.narrow}
      initialValues={{ name: t('welcome.baseName') }}
      onFinish={({ name }: { name: string }) => save.mutate({ name: name.trim() }, { onSuccess: onDone })}
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
