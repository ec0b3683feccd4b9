import { CloudSyncOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Card, Tabs } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { scimTokensQuery } from '@/api/provisioning';
import type { ScimToken } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { Page, Section } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import styles from './admin.module.css';
import { ScimTokenCard } from './scim-token-card';
import { ScimTokenForm } from './scim-token-form';

/** The tokens with which directories provision people and groups by SCIM. */
export function ProvisioningPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const query = useQuery(scimTokensQuery);
  const [editing, setEditing] = useState<ScimToken | 'new'>();
  const tokens = query.data?.items ?? [];
  // A token reaches every account, so the server gives one only to who has all rights.
  const all = may('*:*');
  const create = all && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('provisioning.create')}
    </Button>
  );
  return (
    <Page title={t('provisioning.title')} description={t('provisioning.intro')} actions={tokens.length > 0 && create}>
      <QueryState query={query}>
        {() => (
          <>
            {!all && <Alert type="info" showIcon title={t('provisioning.allRights')} className={styles.alert} />}
            {tokens.length === 0 ? (
              <EmptyState
                icon={<CloudSyncOutlined />}
                title={t('provisioning.empty')}
                hint={t('provisioning.emptyHint')}
                action={create}
              />
            ) : (
              <ul className={styles.cards}>
                {tokens.map((token) => (
                  <li key={token.id}>
                    <ScimTokenCard token={token} onEdit={all ? () => setEditing(token) : undefined} />
                  </li>
                ))}
              </ul>
            )}
            <br />
            {query.data && <DirectoryGuide address={query.data.base_url} />}
          </>
        )}
      </QueryState>
      {editing && (
        <ScimTokenForm
          token={editing === 'new' ? undefined : editing}
          address={query.data?.base_url ?? ''}
          onClose={() => setEditing(undefined)}
        />
      )}
    </Page>
  );
}

const DIRECTORIES = ['entra', 'okta', 'other'] as const;

/** What is to be entered at the directory. */
function DirectoryGuide({ address }: { address: string }) {
  const { t } = useTranslation();
  return (
    <Section title={t('provisioning.guide')} description={t('provisioning.guideHint')}>
      <div className={styles.secret}>
        <code>{address}</code>
        <CopyButton text={address} labelled type="default" size="middle" />
      </div>
      <Card size="small">
        <Tabs
          items={DIRECTORIES.map((name) => ({
            key: name,
            label: t(`provisioning.directories.${name}.name`),
            children: (
              <ol className={styles.steps}>
                {(['one', 'two', 'three'] as const).map((step) => (
                  <li key={step}>{t(`provisioning.directories.${name}.${step}`)}</li>
                ))}
              </ol>
            ),
          }))}
        />
      </Card>
    </Section>
  );
}
