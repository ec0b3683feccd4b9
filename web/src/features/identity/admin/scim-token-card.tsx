import { DeleteOutlined, EditOutlined, SyncOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Button, Card, Tooltip } from 'antd';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { issuersQuery } from '@/api/access';
import { useRevokeScimToken } from '@/api/provisioning';
import type { ScimToken } from '@/api/types';
import { StatusDot } from '@/components/status-dot';
import { usePermits } from '@/components/use-permits';
import { useAct } from '@/lib/use-act';
import { useFormat } from '@/lib/use-format';
import { useNarrow } from '@/lib/use-media';
import styles from './admin.module.css';
import { Facts, type Fact } from './facts';
import { RotateScimToken } from './scim-token-secret';

interface CardProps {
  token: ScimToken;
  /** Absent where the person may not change or rotate it. */
  onEdit: (() => void) | undefined;
}

export function ScimTokenCard({ token, onEdit }: CardProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const format = useFormat();
  const narrow = useNarrow();
  const { confirm } = useAct();
  const revoke = useRevokeScimToken();
  const [rotating, setRotating] = useState(false);
  const issuers = useQuery({ ...issuersQuery, enabled: may('oidc_provider:read') && Boolean(token.oidc_provider_id) });
  const issuer = issuers.data?.items.find((item) => item.id === token.oidc_provider_id);
  const expired = Boolean(token.expires_at && new Date(token.expires_at) <= new Date());
  const ask = () =>
    confirm({
      title: t('provisioning.revokeTitle'),
      content: t('provisioning.revokeHint', { name: token.name, count: token.people }),
      okText: t('provisioning.revoke'),
      act: () => revoke.mutateAsync(token.id),
    });
  const facts: Fact[] = [
    [t('provisioning.secret'), <code key="hint">lycscim_…{token.hint.slice(-4)}</code>],
    [
      t('provisioning.previous'),
      token.previous_hint && token.previous_expires_at && (
        <span key="previous">
          <code>…{token.previous_hint.slice(-4)}</code>{' '}
          {t('provisioning.until', { date: format.dateTime(token.previous_expires_at) })}
        </span>
      ),
    ],
    [t('provisioning.people'), t('provisioning.peopleCount', { count: token.people })],
    [t('provisioning.issuer'), token.oidc_provider_id ? (issuer?.name ?? token.oidc_provider_id) : t('provisioning.noIssuer')],
    [t('keys.lastUsed'), token.last_used_at ? format.relative(token.last_used_at) : t('keys.never')],
    [t('keys.expires'), token.expires_at ? format.date(token.expires_at) : t('keys.never')],
    [
      t('provisioning.made'),
      token.created_by_name
        ? t('provisioning.madeBy', { name: token.created_by_name, date: format.date(token.created_at) })
        : format.date(token.created_at),
    ],
  ];
  const button = (title: string, label: string, icon: ReactNode, act: () => void) => (
    <Tooltip title={title}>
      <Button type="text" icon={icon} aria-label={label} onClick={act} />
    </Tooltip>
  );
  const { name } = token;
  return (
    <Card
      title={
        <span className={styles.person}>
          {name}
          <StatusDot tone={expired ? 'off' : 'ok'}>{expired ? t('keys.expired') : t('keys.active')}</StatusDot>
        </span>
      }
      extra={
        <>
          {onEdit && (
            <>
              {button(t('common.edit'), t('common.editNamed', { name }), <EditOutlined />, onEdit)}
              {button(t('provisioning.rotate'), t('provisioning.rotateNamed', { name }), <SyncOutlined />, () => setRotating(true))}
            </>
          )}
          {button(t('provisioning.revoke'), t('provisioning.revokeNamed', { name }), <DeleteOutlined />, ask)}
        </>
      }
    >
      <Facts facts={facts} stacked={narrow} />
      {rotating && <RotateScimToken token={token} onClose={() => setRotating(false)} />}
    </Card>
  );
}
