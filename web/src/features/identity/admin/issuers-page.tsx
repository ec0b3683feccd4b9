import { DeleteOutlined, EditOutlined, LoginOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Card, Tag, Tooltip } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { issuersQuery, useDeleteIssuer } from '@/api/access';
import type { OidcProvider } from '@/api/types';
import { CopyButton } from '@/components/copy-button';
import { Page } from '@/components/page';
import { EmptyState, QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useNarrow } from '@/lib/use-media';
import styles from './admin.module.css';
import { Facts, type Fact } from './facts';
import { IssuerForm } from './issuer-form';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

/** The OpenID Connect services through which people sign in. */
export function IssuersPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const query = useQuery(issuersQuery);
  const [editing, setEditing] = useState<OidcProvider | 'new'>();
  const issuers = query.data?.items ?? [];
  const create = may('oidc_provider:write') && (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setEditing('new')}>
      {t('signInProviders.create')}
    </Button>
  );
  return (
    <Page
      title={t('signInProviders.title')}
      description={t('signInProviders.intro')}
      actions={issuers.length > 0 && create}
    >
      <QueryState query={query}>
        {() =>
          issuers.length === 0 ? (
            <EmptyState
              icon={<LoginOutlined />}
              title={t('signInProviders.empty')}
              hint={t('signInProviders.emptyHint')}
              action={create}
            />
          ) : (
            <ul className={styles.cards}>
              {issuers.map((issuer) => (
                <li key={issuer.id}>
                  <IssuerCard issuer={issuer} onEdit={() => setEditing(issuer)} />
                </li>
              ))}
            </ul>
          )
        }
      </QueryState>
      {editing && (
        <IssuerForm issuer={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} />
      )}
    </Page>
  );
}

function IssuerCard({ issuer, onEdit }: { issuer: OidcProvider; onEdit: () => void }) {
  const { t } = useTranslation();
  const may = usePermits();
  const narrow = useNarrow();
  const { confirm } = useAct();
  const remove = useDeleteIssuer();
  const ask = () =>
    confirm({
      title: t('signInProviders.deleteTitle'),
      content: t('signInProviders.deleteHint', { name: issuer.name }),
      okText: t('common.delete'),
      act: () => remove.mutateAsync(issuer.id),
    });
  const facts: Fact[] = [
    [t('signInProviders.issuer'), issuer.issuer],
    [t('signInProviders.clientId'), <code key="id">{issuer.client_id}</code>],
    [t('signInProviders.secret'), issuer.has_client_secret ? '••••' : t('signInProviders.noSecret')],
    [t('signInProviders.scopes'), <code key="scopes">{issuer.scopes}</code>],
    ...pairs(t('signInProviders.roleMap'), issuer.roles),
    ...pairs(t('signInProviders.groupMap'), issuer.groups),
    [
      t('signInProviders.redirect'),
      issuer.redirect_uri && (
        <span key="redirect">
          <code>{issuer.redirect_uri}</code> <CopyButton text={issuer.redirect_uri} />
        </span>
      ),
    ],
  ];
  return (
    <Card
      title={
        <span className={styles.person}>
          {issuer.name}
          <StatusDot tone={issuer.is_active ? 'ok' : 'off'}>
            {issuer.is_active ? t('signInProviders.on') : t('signInProviders.off')}
          </StatusDot>
        </span>
      }
      extra={
        may('oidc_provider:write') && (
          <>
            <Tooltip title={t('common.edit')}>
              <Button
                type="text"
                icon={<EditOutlined />}
                aria-label={t('common.editNamed', { name: issuer.name })}
                onClick={onEdit}
              />
            </Tooltip>
            <Tooltip title={t('common.delete')}>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('common.deleteNamed', { name: issuer.name })}
                onClick={ask}
              />
            </Tooltip>
          </>
        )
      }
    >
      <Facts facts={facts} stacked={narrow} />
      <div className={styles.flags}>
        {issuer.allow_sign_up && <Tag>{t('signInProviders.signUp')}</Tag>}
        {issuer.trust_second_factor && <Tag>{t('signInProviders.trusted')}</Tag>}
      </div>
    </Card>
  );
}

function pairs(label: string, map: Record<string, string>): Fact[] {
  const entries = Object.entries(map);
  return entries.length === 0 ? [] : [[label, entries.map(([from, to]) => `${from} → ${to}`).join(', ')]];
}
