import { ThunderboltOutlined } from '@ant-design/icons';
import { useTranslation } from 'react-i18next';
import type { LiveCount, LiveOverall, LiveView } from '@/api/types';
import { Page, Section } from '@/components/page';
import { EmptyState, ErrorState, ListSkeleton } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useFormat } from '@/lib/use-format';
import styles from '@/features/gateway/gateway.module.css';
import { LiveCalls } from './live-calls';
import { useLive } from './use-live';

/** The calls that run now. */
export function LivePage() {
  const { t } = useTranslation();
  const { view, link, error, retry } = useLive();
  return (
    <Page
      title={t('live.title')}
      description={t('live.intro')}
      actions={
        error === undefined && (
          <StatusDot tone={link === 'connected' ? 'ok' : 'busy'}>{t(`live.${link}`)}</StatusDot>
        )
      }
    >
      {error !== undefined ? (
        <ErrorState error={error} onRetry={retry} />
      ) : view ? (
        <LiveContent view={view} />
      ) : (
        <ListSkeleton />
      )}
    </Page>
  );
}

function LiveContent({ view }: { view: LiveView }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      {view.counters && (
        <dl className={styles.figures}>
          {view.overall && <Now overall={view.overall} />}
          <Counter label={t('live.minute')} count={view.counters.last_minute} />
          <Counter label={t('live.hour')} count={view.counters.last_hour} />
          <Counter label={t('live.day')} count={view.counters.last_day} />
        </dl>
      )}
      <Section
        title={view.running > 0 && t('live.running', { count: view.running })}
        description={view.running > view.items.length ? t('live.more', { count: view.items.length }) : undefined}
      >
        {view.items.length === 0 ? (
          <EmptyState icon={<ThunderboltOutlined />} title={t('live.empty')} hint={t('live.emptyHint')} />
        ) : (
          <LiveCalls calls={view.items} />
        )}
      </Section>
      <p className={styles.muted}>
        {view.overall?.scope === 'all_nodes' ? (
          t('live.sharedNote', { count: view.overall.nodes })
        ) : (
          <>
            {view.overall && `${t('live.nodeNote')} `}
            {t('live.since', { date: format.dateTime(view.since) })}
          </>
        )}
      </p>
    </>
  );
}

function Now({ overall }: { overall: LiveOverall }) {
  const { t } = useTranslation();
  return (
    <div>
      <dt>{t('live.now')}</dt>
      <dd>
        {t('live.online', { count: overall.online_users })}
        <small>{t('live.running', { count: overall.running })}</small>
      </dd>
    </div>
  );
}

function Counter({ label, count }: { label: string; count: LiveCount }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <div>
      <dt>{label}</dt>
      <dd>
        {t('live.calls', { count: count.calls })}
        <small>
          {t('live.tokens', { tokens: format.number(count.tokens) })} · {t('live.errors', { count: count.errors })}
        </small>
      </dd>
    </div>
  );
}
