import { UnlockOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { explainQuery, type AccessQuestion, type AccessSearch } from '@/api/access';
import { Page } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { AccessForm } from './access-form';
import { AccessSteps } from './access-steps';

const route = getRouteApi('/shell/admin/access');

/** Why somebody may do something, or why not; the question stands in the address. */
export function AccessPage() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const search = route.useSearch();
  const question = complete(search);
  return (
    <Page title={t('access.title')} description={t('access.intro')}>
      <AccessForm
        key={search.user ?? ''}
        search={search}
        onAsk={(asked) => void navigate({ to: '/admin/access', search: asked })}
      />
      {question ? (
        <Answer question={question} />
      ) : (
        <EmptyState icon={<UnlockOutlined />} title={t('access.empty')} hint={t('access.emptyHint')} />
      )}
    </Page>
  );
}

function Answer({ question }: { question: AccessQuestion }) {
  const query = useQuery(explainQuery(question));
  return <QueryState query={query}>{() => query.data && <AccessSteps explanation={query.data} />}</QueryState>;
}

function complete({ user, action, object_type, object_id }: AccessSearch): AccessQuestion | undefined {
  if (!user || !action) return undefined;
  if (!object_type) return { user, action };
  return object_id ? { user, action, object_type, object_id } : undefined;
}
