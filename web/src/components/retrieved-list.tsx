import { Button, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import type { PassageRef } from '@/api/knowledge';
import type { RetrievedChunk } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import styles from './retrieved-list.module.css';

interface RetrievedListProps {
  chunks: RetrievedChunk[];
  tookMs?: number | undefined;
  onOpen: (passage: PassageRef) => void;
}

/** Chunks as retrieval ranked them, with the scores that put them there. */
export function RetrievedList({ chunks, tookMs, onOpen }: RetrievedListProps) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      {tookMs !== undefined && (
        <p className={styles.took}>
          {t('retrieved.summary', { count: chunks.length, kept: chunks.filter((chunk) => chunk.kept).length, took: format.duration(tookMs) })}
        </p>
      )}
      <ol className={styles.list}>
        {chunks.map((chunk) => (
          <li key={chunk.chunk_id} className={styles.chunk} data-kept={chunk.kept}>
            <div className={styles.head}>
              <Button type="link" className={styles.document} onClick={() => onOpen(chunk)}>
                {chunk.document_title}
              </Button>
              <PlaceOf passage={chunk} />
              <Tag>{chunk.kept ? t('retrieved.kept') : t('retrieved.dropped')}</Tag>
            </div>
            <p className={styles.content}>{chunk.content}</p>
            <p className={styles.scores}>
              <Score label={t('retrieved.score')} value={chunk.score.toFixed(4)} />
              <Score
                label={t('retrieved.dense')}
                value={chunk.dense_rank == null ? '—' : `#${chunk.dense_rank}${chunk.dense_score == null ? '' : ` (${chunk.dense_score.toFixed(3)})`}`}
              />
              <Score label={t('retrieved.text')} value={chunk.text_rank == null ? '—' : `#${chunk.text_rank}`} />
              <Score label={t('retrieved.tokens')} value={format.number(chunk.token_count)} />
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}

/** The page of a passage, or the section of a text that has no pages. */
export function PlaceOf({ passage, className }: { passage: Pick<PassageRef, 'page' | 'section'>; className?: string | undefined }) {
  const { t } = useTranslation();
  if (passage.page != null) return <span className={className}>{t('passage.page', { page: passage.page })}</span>;
  if (passage.section != null) return <span className={className}>{t('passage.section', { section: passage.section })}</span>;
  return null;
}

function Score({ label, value }: { label: string; value: string }) {
  return (
    <span>
      {label} <strong>{value}</strong>
    </span>
  );
}
