import { ReloadOutlined } from '@ant-design/icons';
import { Alert, Button, Skeleton } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useDescribe } from '@/lib/use-describe';
import styles from './states.module.css';

interface EmptyStateProps {
  icon?: ReactNode;
  title: ReactNode;
  hint: ReactNode;
  action?: ReactNode;
}

/** Says that there is nothing yet, and what to do first. */
export function EmptyState({ icon, title, hint, action }: EmptyStateProps) {
  return (
    <div className={styles.empty}>
      {icon && (
        <span className={styles.icon} aria-hidden>
          {icon}
        </span>
      )}
      <p className={styles.title}>{title}</p>
      <p className={styles.hint}>{hint}</p>
      {action}
    </div>
  );
}

export function ErrorState({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  return (
    <Alert
      type="error"
      showIcon
      title={t('common.failed')}
      description={describe(error)}
      action={
        onRetry && (
          <Button size="small" icon={<ReloadOutlined />} onClick={onRetry}>
            {t('common.retry')}
          </Button>
        )
      }
    />
  );
}

export function ListSkeleton({ rows = 4 }: { rows?: number }) {
  const { t } = useTranslation();
  return (
    <div role="status" aria-label={t('common.loading')} className={styles.skeleton}>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} active title={{ width: '30%' }} paragraph={{ rows: 1 }} />
      ))}
    </div>
  );
}

interface QueryLike {
  isPending: boolean;
  isError: boolean;
  error: unknown;
  refetch: () => unknown;
}

/** Skeleton while loading, reason and retry on failure, else the content. */
export function QueryState({
  query,
  skeleton = <ListSkeleton />,
  children,
}: {
  query: QueryLike;
  skeleton?: ReactNode;
  children: () => ReactNode;
}) {
  if (query.isPending) return skeleton;
  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return children();
}

interface MoreLike {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

export function LoadMore({ query }: { query: MoreLike }) {
  const { t } = useTranslation();
  if (!query.hasNextPage) return null;
  return (
    <div className={styles.more}>
      <Button loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        {t('common.loadMore')}
      </Button>
    </div>
  );
}
