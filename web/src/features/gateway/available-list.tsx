import { useQuery } from '@tanstack/react-query';
import { Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { availableQuery } from '@/api/gateway';
import type { AvailableProvider } from '@/api/types';
import { Section } from '@/components/page';
import { QueryState } from '@/components/states';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';

type Reason = AvailableProvider['reasons'][number];

/** What the caller may use, and every way by which they have it. */
export function AvailableList() {
  const { t } = useTranslation();
  const query = useQuery(availableQuery);
  const items = query.data?.items ?? [];
  return (
    <Section title={t('available.title')} description={t('available.hint')}>
      <QueryState query={query}>
        {() =>
          items.length === 0 ? (
            <p className={styles.muted}>{t('available.empty')}</p>
          ) : (
            <ul className={styles.rows} aria-label={t('available.title')}>
              {items.map((item) => (
                <li key={item.id}>
                  <span className={styles.rowText}>
                    <strong>{item.name}</strong>
                    {item.reasons.map((reason) => (
                      <Why key={`${reason.via}-${reason.group_id ?? ''}`} reason={reason} />
                    ))}
                  </span>
                  <Tag>{t(`providers.scopes.${item.scope === 'organization' ? 'organization' : 'personal'}`)}</Tag>
                </li>
              ))}
            </ul>
          )
        }
      </QueryState>
    </Section>
  );
}

function Why({ reason }: { reason: Reason }) {
  const { t } = useTranslation();
  const format = useFormat();
  const date = format.date(reason.granted_at);
  const by = reason.granted_by_name ?? t('audit.system');
  if (reason.via === 'owner') return <small>{t('available.owner', { date })}</small>;
  if (reason.via === 'everyone') return <small>{t('available.everyone', { date })}</small>;
  if (reason.via === 'group') {
    return <small>{t('available.group', { group: reason.group_name ?? t('recipients.deleted'), name: by, date })}</small>;
  }
  return <small>{t('available.person', { name: by, date })}</small>;
}
