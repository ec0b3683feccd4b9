import { BranchesOutlined, PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { routesQuery } from '@/api/traffic';
import type { ModelRoute } from '@/api/types';
import { Page } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import styles from '@/features/gateway/gateway.module.css';
import { RouteCard } from './route-card';
import { RouteForm } from './route-form';

export function RoutesPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const query = useInfiniteQuery(routesQuery);
  const [editing, setEditing] = useState<ModelRoute | 'new'>();
  const routes = query.data?.pages.flatMap((page) => page.items) ?? [];
  const create = may('model:write') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('routes.create')}
    </Button>
  );
  return (
    <Page title={t('routes.title')} description={t('routes.intro')} actions={routes.length > 0 && create}>
      <QueryState query={query}>
        {() =>
          routes.length === 0 ? (
            <EmptyState icon={<BranchesOutlined />} title={t('routes.empty')} hint={t('routes.emptyHint')} action={create} />
          ) : (
            <>
              <ul className={styles.providers}>
                {routes.map((route) => (
                  <RouteCard key={route.id} route={route} onEdit={() => setEditing(route)} />
                ))}
              </ul>
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      {editing && <RouteForm route={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />}
    </Page>
  );
}
