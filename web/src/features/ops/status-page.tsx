import { useQuery } from '@tanstack/react-query';
import { App, Button, Card } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { systemStatusQuery, useRetryJob } from '@/api/ops';
import type { FailedJob, SystemStatus } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { Page, Section } from '@/components/page';
import { QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { engineState, type EngineState } from './engine-state';
import { redisMood, redisState, type RedisState } from './redis-state';
import styles from './ops.module.css';

/** Health and figures of this installation, refreshed by themselves. */
export function StatusPage() {
  const { t } = useTranslation();
  const query = useQuery(systemStatusQuery);
  return (
    <Page
      title={t('status.title')}
      description={t('status.intro')}
      actions={
        <Button loading={query.isFetching} onClick={() => void query.refetch()}>
          {t('common.refresh')}
        </Button>
      }
    >
      <QueryState query={query}>
        {() =>
          query.data && (
            <>
              <Cards status={query.data} />
              {query.data.jobs.failed_jobs.length > 0 && (
                <Section title={t('status.failedJobs')} description={t('status.failedJobsHint')}>
                  <FailedJobs jobs={query.data.jobs.failed_jobs} />
                </Section>
              )}
              <Section title={t('status.tables')}>
                <Tables tables={query.data.database.tables} />
              </Section>
            </>
          )
        }
      </QueryState>
    </Page>
  );
}

function Cards({ status }: { status: SystemStatus }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { database, jobs } = status;
  return (
    <div className={styles.cards}>
      <Figures
        title={t('status.program')}
        entries={[
          [t('status.version'), status.version],
          [t('status.started'), format.dateTime(status.started_at)],
        ]}
      />
      <Figures
        title={t('status.database')}
        entries={[
          [t('status.version'), database.version],
          [t('status.size'), format.bytes(database.size_bytes)],
          [t('status.pool'), `${database.pool_idle} / ${database.pool_size} / ${database.pool_max}`],
        ]}
      />
      <Figures
        title={t('status.jobs')}
        entries={[
          [t('status.jobsWaiting'), format.number(jobs.waiting)],
          [t('status.jobsRunning'), format.number(jobs.running)],
          [t('status.jobsFailed'), format.number(jobs.failed)],
        ]}
      />
      {Object.entries(status.parts).map(([name, part]) => {
        const engine = engineState(part);
        if (engine) return <EngineCard key={name} engine={engine} />;
        const redis = redisState(part);
        if (redis) return <RedisCard key={name} redis={redis} />;
        return (
          <Figures
            key={name}
            title={words(name)}
            entries={Object.entries(asRecord(part)).map(([key, value]) => [words(key), show(value)])}
          />
        );
      })}
    </div>
  );
}

function EngineCard({ engine }: { engine: EngineState }) {
  const { t } = useTranslation();
  const { process, health, models } = engine;
  const loaded = new Map(health?.loaded.map((model) => [model.id, model]));
  const stateOf = (model: EngineState['models'][number]) => {
    const held = loaded.get(model.id);
    if (!held) return model.installed ? t('status.engineInstalled') : t('status.engineMissing');
    return `${t('status.engineInMemory')} · ${t('status.engineBusy', { count: held.active + held.waiting })}`;
  };
  const entries = models.map((model): [string, ReactNode] => [
    model.display_name,
    <StatusDot key={model.id} tone={loaded.has(model.id) || model.installed ? 'ok' : 'off'}>
      {stateOf(model)}
    </StatusDot>,
  ]);
  return (
    <Figures
      title={t('status.engine')}
      entries={[
        [
          t('status.engineProcess'),
          <StatusDot key="process" tone={process.state === 'ready' ? 'ok' : 'off'}>
            {process.state === 'ready' ? t('models.ready') : process.state}
          </StatusDot>,
        ],
        ...(process.last_error ? [[t('status.reason'), process.last_error] satisfies [string, ReactNode]] : []),
        ...entries,
      ]}
    />
  );
}

function RedisCard({ redis }: { redis: RedisState }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { address, health, reason, refused } = redis;
  const [tone, state] = {
    answers: ['ok', t('status.redisAnswers')] as const,
    refuses: ['bad', t('status.redisRefuses')] as const,
    away: ['off', t('status.redisAway')] as const,
  }[redisMood(redis)];
  return (
    <Figures
      title="Redis"
      entries={[
        [
          t('status.state'),
          <StatusDot key="state" tone={tone}>{state}</StatusDot>,
        ],
        ...(refused
          ? [
              [
                t('status.redisRefused', { time: format.duration(refused.seconds_ago * 1000) }),
                refused.reason,
              ] satisfies [string, ReactNode],
            ]
          : []),
        ...(reason ? [[t('status.reason'), reason] satisfies [string, ReactNode]] : []),
        ...(health
          ? [
              [t('status.version'), health.version] satisfies [string, ReactNode],
              [t('status.redisLatency'), format.duration(Math.max(1, health.latency_ms))] satisfies [string, ReactNode],
            ]
          : []),
        [t('status.redisAddress'), address],
      ]}
    />
  );
}

function asRecord(part: unknown): Record<string, unknown> {
  return typeof part === 'object' && part !== null ? (part as Record<string, unknown>) : { state: part };
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** `jobs_waiting` as "Jobs waiting": parts name their own figures. */
function words(name: string): string {
  const text = name.replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function Figures({ title, entries }: { title: string; entries: [string, ReactNode][] }) {
  return (
    <Card size="small" title={title}>
      <dl className={styles.values}>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function FailedJobs({ jobs }: { jobs: FailedJob[] }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const retry = useRetryJob();
  return (
    <DataTable
      rowKey="id"
      size="middle"
      dataSource={jobs}
      columns={[
        { title: t('status.job'), dataIndex: 'name' },
        { title: t('status.attempts'), dataIndex: 'attempts', align: 'end' },
        { title: t('status.reason'), dataIndex: 'reason' },
        {
          title: <span className="visually-hidden">{t('common.actions')}</span>,
          key: 'actions',
          align: 'end',
          render: (_, job) => (
            <Button
              size="small"
              onClick={() => retry.mutate(job.id, { onError: (error) => void toast.error(describe(error)) })}
            >
              {t('common.retry')}
            </Button>
          ),
        },
      ]}
    />
  );
}

function Tables({ tables }: { tables: SystemStatus['database']['tables'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <DataTable
      rowKey="name"
      size="small"
      dataSource={tables}
      columns={[
        { title: t('status.table'), dataIndex: 'name', render: (name: string) => <code>{name}</code> },
        { title: t('status.rows'), dataIndex: 'estimated_rows', align: 'end', render: format.number },
        { title: t('status.size'), dataIndex: 'size_bytes', align: 'end', render: format.bytes },
      ]}
    />
  );
}
