import { Progress } from 'antd';
import { useTranslation } from 'react-i18next';
import type { DocumentStage, KnowledgeDocument } from '@/api/types';
import { StatusDot } from '@/components/status-dot';
import styles from './documents.module.css';

const STAGES = ['parsing', 'chunking', 'embedding', 'indexing'] as const;

function reached(stage: DocumentStage): number {
  if (stage === 'done') return STAGES.length;
  return STAGES.findIndex((name) => name === stage);
}

/** Where a document is on its way: parse → chunk → embed → index. */
export function StageProgress({ document }: { document: KnowledgeDocument }) {
  const { t } = useTranslation();
  if (document.status === 'completed') return <StatusDot tone="ok">{t('knowledge.status.completed')}</StatusDot>;
  if (document.status === 'failed') return <StatusDot tone="bad">{t('knowledge.status.failed')}</StatusDot>;
  const at = reached(document.stage);
  return (
    <div className={styles.stages}>
      <ol aria-label={t('knowledge.stages')}>
        {STAGES.map((stage, index) => (
          <li
            key={stage}
            data-state={index < at ? 'done' : index === at ? 'active' : 'waiting'}
            aria-current={index === at ? 'step' : undefined}
          >
            {t(`knowledge.stage.${stage}`)}
          </li>
        ))}
      </ol>
      <Progress
        percent={document.progress}
        size="small"
        // One with an error waits for its next attempt.
        status={document.error ? 'normal' : 'active'}
        aria-label={t('knowledge.progress')}
      />
    </div>
  );
}
