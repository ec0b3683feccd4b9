import { SearchOutlined } from '@ant-design/icons';
import { Alert, Input } from 'antd';
import { useTranslation } from 'react-i18next';
import { useKnowledgeSearch, type PassageRef } from '@/api/knowledge';
import type { RetrievedChunk, SearchAnswer } from '@/api/types';
import { RetrievedList } from '@/components/retrieved-list';
import { EmptyState, ErrorState, ListSkeleton } from '@/components/states';
import styles from './knowledge.module.css';

/** Nothing of what is only near would be used. */
function usedOf({ items, relevant }: SearchAnswer): RetrievedChunk[] {
  return items.map((chunk) => ({ ...chunk, kept: chunk.kept && relevant }));
}

/** Shows what retrieval finds for a question, before any model is asked. */
export function SearchTry({ base, onOpen }: { base: string; onOpen: (passage: PassageRef) => void }) {
  const { t } = useTranslation();
  const search = useKnowledgeSearch(base);
  const run = (text: string) => {
    if (text.trim() !== '') search.mutate(text.trim());
  };
  return (
    <div className={styles.search}>
      <Input.Search
        size="large"
        enterButton={t('knowledge.searchButton')}
        aria-label={t('knowledge.searchPlaceholder')}
        placeholder={t('knowledge.searchPlaceholder')}
        maxLength={2000}
        loading={search.isPending}
        onSearch={run}
      />
      {search.isIdle && (
        <EmptyState icon={<SearchOutlined />} title={t('knowledge.searchEmpty')} hint={t('knowledge.searchHint')} />
      )}
      {search.isPending && <ListSkeleton />}
      {search.isError && <ErrorState error={search.error} />}
      {search.data &&
        (search.data.items.length > 0 ? (
          <>
            {!search.data.relevant && <Alert type="info" showIcon title={t('knowledge.onlyNearest')} />}
            <RetrievedList chunks={usedOf(search.data)} tookMs={search.data.took_ms} onOpen={onOpen} />
          </>
        ) : (
          <EmptyState title={t('knowledge.nothingFound')} hint={t('knowledge.nothingFoundHint')} />
        ))}
    </div>
  );
}
