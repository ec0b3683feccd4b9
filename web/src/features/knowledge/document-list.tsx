import { CloseOutlined, DeleteOutlined, DownloadOutlined, FileTextOutlined, RedoOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { App, Button, Progress, Tooltip } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { documentsQuery, useDeleteDocument, useRetryDocument } from '@/api/knowledge';
import type { KnowledgeDocument } from '@/api/types';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { apiUrl } from '@/lib/http';
import { describeCode, useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import styles from './documents.module.css';
import { StageProgress } from './stage-progress';
import type { UploadItem } from './uploads';

interface DocumentListProps {
  base: string;
  /** Whether the reader may delete and try again. */
  editable: boolean;
  uploads: UploadItem[];
  onRetryUpload: (key: string) => void;
  onRemoveUpload: (key: string) => void;
}

export function DocumentList({ base, editable, uploads, onRetryUpload, onRemoveUpload }: DocumentListProps) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(documentsQuery(base));
  const documents = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <QueryState query={query}>
      {() =>
        documents.length === 0 && uploads.length === 0 ? (
          <EmptyState icon={<FileTextOutlined />} title={t('knowledge.noDocuments')} hint={editable ? t('knowledge.noDocumentsHint') : t('share.readOnlyEmpty')} />
        ) : (
          <>
            <ul className={styles.list} aria-label={t('knowledge.documents')}>
              {uploads.map((item) => (
                <UploadRow key={item.key} item={item} onRetry={onRetryUpload} onRemove={onRemoveUpload} />
              ))}
              {documents.map((document) => (
                <DocumentRow key={document.id} base={base} editable={editable} document={document} />
              ))}
            </ul>
            <LoadMore query={query} />
          </>
        )
      }
    </QueryState>
  );
}

function Row({ name, details, status, actions }: { name: string; details: ReactNode; status: ReactNode; actions: ReactNode }) {
  return (
    <li className={styles.row}>
      <FileTextOutlined className={styles.icon} aria-hidden />
      <div className={styles.what}>
        <span className={styles.name} title={name}>
          {name}
        </span>
        <span className={styles.details}>{details}</span>
      </div>
      <div className={styles.status}>{status}</div>
      <div className={styles.actions}>{actions}</div>
    </li>
  );
}

function UploadRow({
  item,
  onRetry,
  onRemove,
}: {
  item: UploadItem;
  onRetry: (key: string) => void;
  onRemove: (key: string) => void;
}) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const failed = item.state === 'failed';
  return (
    <Row
      name={item.file.name}
      details={format.bytes(item.file.size)}
      status={
        failed ? (
          <span className={styles.error}>{describe(item.error)}</span>
        ) : (
          <>
            <span>{item.state === 'waiting' ? t('knowledge.waiting') : t('knowledge.uploading')}</span>
            <Progress percent={Math.round(item.share * 100)} size="small" aria-label={t('knowledge.uploading')} />
          </>
        )
      }
      actions={
        <>
          {failed && (
            <Button type="text" icon={<RedoOutlined />} aria-label={t('common.retry')} onClick={() => onRetry(item.key)} />
          )}
          <Button
            type="text"
            icon={<CloseOutlined />}
            aria-label={t('common.cancel')}
            onClick={() => onRemove(item.key)}
          />
        </>
      }
    />
  );
}

function DocumentRow({ base, editable, document }: { base: string; editable: boolean; document: KnowledgeDocument }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { modal, message: toast } = App.useApp();
  const remove = useDeleteDocument(base);
  const retry = useRetryDocument(base);
  const name = document.filename || document.title;
  const failed = document.status === 'failed';
  const reason = document.error && describeCode(document.error.code, document.error.detail);
  const places = document.unread?.join(', ');
  const isPdf = document.mime_type === 'application/pdf';
  const tell = (error: unknown) => void toast.error(describe(error));
  const details = [
    format.bytes(document.file_size),
    document.has_pages && document.page_count ? t('knowledge.pages', { count: document.page_count }) : '',
    document.status === 'completed'
      ? t('knowledge.chunks', { count: document.chunk_count })
      : '',
  ].filter(Boolean);
  const confirmDelete = () =>
    void modal.confirm({
      title: t('knowledge.deleteDocument'),
      content: t('knowledge.deleteDocumentHint', { name }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => remove.mutateAsync(document.id).catch(tell),
    });
  return (
    <Row
      name={name}
      details={details.join(' · ')}
      status={
        <>
          <StageProgress document={document} />
          {failed && <span className={styles.error}>{reason ?? t('common.failed')}</span>}
          {!failed && reason && (
            <span className={styles.waits}>
              {reason} {t('knowledge.triedAgain')}
            </span>
          )}
          {places && (
            <span className={styles.waits}>
              {isPdf ? t('knowledge.unreadPages', { places }) : t('knowledge.unreadSheets', { places })}
            </span>
          )}
        </>
      }
      actions={
        <>
          {editable && failed && (
            <Button size="small" icon={<RedoOutlined />} loading={retry.isPending} onClick={() => retry.mutate(document.id, { onError: tell })}>
              {t('common.retry')}
            </Button>
          )}
          <Tooltip title={t('passage.download')}>
            <Button
              type="text"
              icon={<DownloadOutlined />}
              aria-label={t('knowledge.downloadNamed', { name })}
              href={apiUrl(`/documents/${document.id}/file`)}
            />
          </Tooltip>
          {editable && (
            <Tooltip title={t('common.delete')}>
              <Button
                type="text"
                icon={<DeleteOutlined />}
                aria-label={t('common.deleteNamed', { name })}
                loading={remove.isPending}
                onClick={confirmDelete}
              />
            </Tooltip>
          )}
        </>
      }
    />
  );
}
