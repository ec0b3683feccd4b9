import { BookOutlined, PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { knowledgeBasesQuery } from '@/api/knowledge';
import type { KnowledgeBase } from '@/api/types';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import { BaseForm } from './base-form';
import styles from './knowledge.module.css';

export function KnowledgeListPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const query = useInfiniteQuery(knowledgeBasesQuery);
  const [creating, setCreating] = useState(false);
  const bases = query.data?.pages.flatMap((page) => page.items) ?? [];
  const create = (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setCreating(true)}>
      {t('knowledge.create')}
    </Button>
  );
  return (
    <Page title={t('knowledge.title')} description={t('knowledge.intro')} actions={bases.length > 0 && create}>
      <QueryState query={query}>
        {() =>
          bases.length === 0 ? (
            <EmptyState icon={<BookOutlined />} title={t('knowledge.empty')} hint={t('knowledge.emptyHint')} action={create} />
          ) : (
            <>
              <ul className={styles.grid}>
                {bases.map((base) => (
                  <BaseCard key={base.id} base={base} />
                ))}
              </ul>
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      <BaseForm
        open={creating}
        onClose={() => setCreating(false)}
        onSaved={(base) => {
          setCreating(false);
          void navigate({ to: '/knowledge/$baseId', params: { baseId: base.id } });
        }}
      />
    </Page>
  );
}

function BaseCard({ base }: { base: KnowledgeBase }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <li>
      <Link to="/knowledge/$baseId" params={{ baseId: base.id }} className={styles.card}>
        <span className={styles.cardIcon} aria-hidden>
          <BookOutlined />
        </span>
        <strong>{base.name}</strong>
        {base.description && <span className={styles.cardText}>{base.description}</span>}
        <small>
          {t('knowledge.documentCount', { count: base.document_count })} · {format.relative(base.updated_at)}
        </small>
      </Link>
    </li>
  );
}
