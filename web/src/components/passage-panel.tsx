import { CloseOutlined, DownloadOutlined, LeftOutlined, RightOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Drawer, Skeleton, Tooltip } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { documentTextQuery, type PassageRef } from '@/api/knowledge';
import { apiUrl, isStatus } from '@/lib/http';
import { sliceByCharacter } from '@/lib/text-offsets';
import { useWide } from '@/lib/use-media';
import styles from './passage-panel.module.css';
import { ErrorState } from './states';

interface PassagePanelProps {
  passage: PassageRef | undefined;
  onClose: () => void;
}

/** The source of a citation at its page: beside the page on wide screens, else above it. */
export function PassagePanel({ passage, onClose }: PassagePanelProps) {
  const { t } = useTranslation();
  const wide = useWide();
  if (wide) {
    return passage ? (
      <aside className={styles.aside} aria-label={t('passage.title')}>
        <PassageView key={passage.chunk_id} passage={passage} onClose={onClose} />
      </aside>
    ) : null;
  }
  return (
    <Drawer
      open={passage !== undefined}
      onClose={onClose}
      size={520}
      closable={false}
      aria-label={t('passage.title')}
      styles={{ body: { padding: 0 }, wrapper: { maxWidth: '100vw' } }}
    >
      {passage && <PassageView key={passage.chunk_id} passage={passage} onClose={onClose} />}
    </Drawer>
  );
}

function PassageView({ passage, onClose }: { passage: PassageRef; onClose: () => void }) {
  const { t } = useTranslation();
  // Texts without pages are kept in sections, which no one has to know as long as there is one.
  const start = passage.page ?? passage.section ?? 1;
  const [page, setPage] = useState(start);
  const text = useQuery(documentTextQuery(passage.document_id, page));
  // A page may have no text, but the one with the passage tells how many there are.
  const origin = useQuery(documentTextQuery(passage.document_id, start));
  const { page_count: pages = 0, has_pages: paged = false } = origin.data ?? {};
  const blank = paged && isStatus(text.error, 404);
  return (
    <div className={styles.view}>
      <header className={styles.head}>
        <div className={styles.title}>
          <strong>{passage.document_title}</strong>
          {pages > 1 && (
            <span className={styles.pager}>
              <Button
                type="text"
                size="small"
                icon={<LeftOutlined />}
                aria-label={t(paged ? 'passage.previousPage' : 'passage.previousSection')}
                disabled={page <= 1}
                onClick={() => setPage(page - 1)}
              />
              {t(paged ? 'passage.pageOf' : 'passage.sectionOf', { page, pages })}
              <Button
                type="text"
                size="small"
                icon={<RightOutlined />}
                aria-label={t(paged ? 'passage.nextPage' : 'passage.nextSection')}
                disabled={page >= pages}
                onClick={() => setPage(page + 1)}
              />
            </span>
          )}
        </div>
        <Tooltip title={t('passage.download')}>
          <Button
            type="text"
            icon={<DownloadOutlined />}
            aria-label={t('passage.download')}
            href={apiUrl(`/documents/${passage.document_id}/file`)}
          />
        </Tooltip>
        <Button type="text" icon={<CloseOutlined />} aria-label={t('common.close')} onClick={onClose} />
      </header>
      <div className={styles.body} tabIndex={0} role="region" aria-label={t('passage.title')}>
        {text.isPending && <Skeleton active paragraph={{ rows: 8 }} />}
        {blank && <p className={styles.blank}>{t('passage.blank')}</p>}
        {text.isError && !blank && <ErrorState error={text.error} onRetry={() => void text.refetch()} />}
        {text.data && (
          <Highlighted
            text={text.data.text}
            // On another page there is nothing of the passage.
            start={page === start ? passage.start_offset : 0}
            end={page === start ? passage.end_offset : 0}
          />
        )}
      </div>
    </div>
  );
}

function Highlighted({ text, start, end }: { text: string; start: number; end: number }) {
  const mark = useRef<HTMLElement>(null);
  useEffect(() => {
    mark.current?.scrollIntoView({ block: 'center' });
  }, [text, start]);
  const [before, passage, after] = sliceByCharacter(text, start, end);
  return (
    <p className={styles.text}>
      {before}
      {passage && <mark ref={mark}>{passage}</mark>}
      {after}
    </p>
  );
}
