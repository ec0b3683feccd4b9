import { useQuery } from '@tanstack/react-query';
import { Collapse, Descriptions, Drawer, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { explanationQuery } from '@/api/chat';
import type { PassageRef } from '@/api/knowledge';
import type { Explanation, Message } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { RetrievedList } from '@/components/retrieved-list';
import { QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './explanation.module.css';

interface ExplanationDrawerProps {
  message: Message | undefined;
  onClose: () => void;
  onPassage: (passage: PassageRef) => void;
}

/** "Why this answer": what was found, what was asked of which model, and what it took. */
export function ExplanationDrawer({ message, onClose, onPassage }: ExplanationDrawerProps) {
  const { t } = useTranslation();
  return (
    <Drawer
      open={message !== undefined}
      onClose={onClose}
      title={t('explain.title')}
      size={640}
      styles={{ wrapper: { maxWidth: '100vw' } }}
    >
      {message && (
        <ExplanationView
          id={message.id}
          onPassage={(passage) => {
            onClose();
            onPassage(passage);
          }}
        />
      )}
    </Drawer>
  );
}

function ExplanationView({ id, onPassage }: { id: string; onPassage: (passage: PassageRef) => void }) {
  const { t } = useTranslation();
  const query = useQuery(explanationQuery(id));
  return (
    <QueryState query={query}>
      {() => {
        const explanation = query.data;
        if (!explanation) return null;
        const chunks = explanation.retrieval?.chunks ?? [];
        const searchedFor = explanation.retrieval?.searched_for;
        return (
          <div className={styles.view}>
            <section>
              <h2>{t('explain.question')}</h2>
              <p className={styles.question}>{explanation.question}</p>
            </section>
            <section>
              <h2>{t('explain.call')}</h2>
              <Figures explanation={explanation} />
            </section>
            <section>
              <h2>{t('explain.retrieval')}</h2>
              {searchedFor && (
                <>
                  <p>{t('explain.searchedFor')}</p>
                  <p className={styles.question}>{searchedFor}</p>
                </>
              )}
              {chunks.length > 0 ? (
                <RetrievedList chunks={chunks} tookMs={explanation.retrieval?.took_ms} onOpen={onPassage} />
              ) : (
                <p>{t('explain.noRetrieval')}</p>
              )}
            </section>
            <section>
              <h2>{t('explain.prompt')}</h2>
              {explanation.prompt.length === 0 && <p>{t('explain.notAsked')}</p>}
              <Collapse
                size="small"
                items={explanation.prompt.map((part, index) => ({
                  key: index,
                  label: <Tag>{part.role}</Tag>,
                  extra: <CopyButton text={part.content} />,
                  collapsible: 'header',
                  children: <pre className={styles.prompt}>{part.content}</pre>,
                }))}
              />
            </section>
          </div>
        );
      }}
    </QueryState>
  );
}

function Figures({ explanation }: { explanation: Explanation }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <Descriptions
      size="small"
      column={{ xs: 1, sm: 2 }}
      items={[
        { key: 'model', label: t('explain.model'), children: explanation.model ?? '—' },
        { key: 'provider', label: t('explain.provider'), children: explanation.provider ?? '—' },
        { key: 'in', label: t('usage.promptTokens'), children: format.number(explanation.prompt_tokens) },
        { key: 'out', label: t('usage.completionTokens'), children: format.number(explanation.completion_tokens) },
        { key: 'first', label: t('usage.firstToken'), children: format.duration(explanation.first_token_ms) },
        { key: 'latency', label: t('usage.latency'), children: format.duration(explanation.latency_ms) },
        { key: 'cost', label: t('usage.cost'), children: format.cost(explanation.cost) },
        { key: 'request', label: t('usage.requestId'), children: <code className={styles.id}>{explanation.request_id ?? '—'}</code> },
      ]}
    />
  );
}
