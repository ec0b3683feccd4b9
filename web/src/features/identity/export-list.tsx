import { DownloadOutlined, FileZipOutlined, LoadingOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { exportAddress, exportsQuery, useStartExport } from '@/api/account';
import type { DataExport } from '@/api/types';
import { Section } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { StatusDot, type Tone } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './profile.module.css';

const TONES = { failed: 'bad', pending: 'busy', ready: 'ok', running: 'busy' } satisfies Record<string, Tone>;
const statusOf = ({ status }: DataExport) => (status in TONES ? (status as keyof typeof TONES) : 'pending');

/** Everything that is the person's own, as a file to take away. */
export function ExportList() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const query = useInfiniteQuery(exportsQuery);
  const start = useStartExport();
  const exports = query.data?.pages.flatMap((page) => page.items) ?? [];
  const busy = exports.some((item) => TONES[statusOf(item)] === 'busy');
  const begin = (
    <Button
      icon={<FileZipOutlined />}
      disabled={busy}
      loading={start.isPending}
      onClick={() => start.mutate(undefined, { onError: (error) => void toast.error(describe(error)) })}
    >
      {t('myData.start')}
    </Button>
  );
  return (
    <Section title={t('myData.export')} description={t('myData.exportHint')} extra={exports.length > 0 && begin}>
      <QueryState query={query}>
        {() =>
          exports.length === 0 ? (
            <EmptyState icon={<FileZipOutlined />} title={t('myData.empty')} hint={t('myData.emptyHint')} action={begin} />
          ) : (
            <>
              <ul className={styles.list}>
                {exports.map((item) => (
                  <ExportRow key={item.id} item={item} />
                ))}
              </ul>
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
    </Section>
  );
}

function ExportRow({ item }: { item: DataExport }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const status = statusOf(item);
  const download = () =>
    exportAddress(item.id).then(
      (url) => {
        const link = document.createElement('a');
        link.href = url;
        link.download = 'lyceum-export.zip';
        link.click();
      },
      (error: unknown) => void toast.error(describe(error)),
    );
  const facts = [
    t('myData.started', { when: format.relative(item.created_at) }),
    ...(item.size_bytes ? [format.bytes(item.size_bytes)] : []),
    ...(item.expires_at ? [t('myData.until', { date: format.date(item.expires_at) })] : []),
  ];
  return (
    <li>
      {TONES[status] === 'busy' ? <LoadingOutlined aria-hidden /> : <FileZipOutlined aria-hidden />}
      <span className={styles.what} role="status">
        <StatusDot tone={TONES[status]}>{t(`myData.statuses.${status}`)}</StatusDot>
        <small>{facts.join(' · ')}</small>
      </span>
      {status === 'ready' && (
        <Button size="small" icon={<DownloadOutlined />} onClick={() => void download()}>
          {t('myData.download')}
        </Button>
      )}
    </li>
  );
}
