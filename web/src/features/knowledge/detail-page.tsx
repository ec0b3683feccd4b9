import { ArrowLeftOutlined, DeleteOutlined, EditOutlined, MessageOutlined, ShareAltOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { App, Button, Tabs, Tag } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { knowledgeBaseQuery, useDeleteKnowledgeBase, type PassageRef } from '@/api/knowledge';
import { Page } from '@/components/page';
import { PassagePanel } from '@/components/passage-panel';
import { QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import { useDescribe } from '@/lib/use-describe';
import { BaseForm } from './base-form';
import { DocumentList } from './document-list';
import { Dropzone } from './dropzone';
import styles from './knowledge.module.css';
import { SearchTry } from './search-try';
import { LEVELS, ShareDialog } from './share-dialog';
import { dropUploads, useUploads } from './uploads';

const route = getRouteApi('/shell/knowledge/$baseId');

export function KnowledgeDetailPage() {
  const { t } = useTranslation();
  const { baseId } = route.useParams();
  const query = useQuery(knowledgeBaseQuery(baseId));
  const navigate = useNavigate();
  const [passage, setPassage] = useState<PassageRef>();
  const [editing, setEditing] = useState(false);
  const [sharing, setSharing] = useState(false);
  const uploads = useUploads(baseId);
  const may = usePermits();
  const base = query.data;
  const level = LEVELS.find((known) => known === base?.level);
  const usable = base !== undefined && level !== 'view';
  const editable = base?.editable === true && may('knowledge_base:write');
  return (
    <div className={styles.split}>
      <div className={styles.splitMain}>
        <Page
          back={
            <Link to="/knowledge" className={styles.back}>
              <ArrowLeftOutlined aria-hidden /> {t('knowledge.title')}
            </Link>
          }
          title={base?.name ?? t('knowledge.title')}
          description={
            base && (
              <>
                <Tag>{t(`share.levels.${level ?? 'owner'}`)}</Tag> {base.description}
              </>
            )
          }
          actions={
            base && (
              <>
                {usable && (
                  <Button
                    type="primary"
                    icon={<MessageOutlined />}
                    onClick={() => void navigate({ to: '/chat', search: { base: baseId } })}
                  >
                    {t('knowledge.ask')}
                  </Button>
                )}
                {editable && (
                  <Button icon={<ShareAltOutlined />} onClick={() => setSharing(true)}>
                    {t('share.title')}
                  </Button>
                )}
                {editable && (
                  <Button icon={<EditOutlined />} aria-label={t('knowledge.edit')} onClick={() => setEditing(true)} />
                )}
                {editable && level === undefined && <DeleteBase id={baseId} name={base.name} />}
              </>
            )
          }
        >
          <QueryState query={query}>
            {() => (
              <Tabs
                items={[
                  {
                    key: 'documents',
                    label: t('knowledge.documents'),
                    children: (
                      <>
                        {editable && <Dropzone onFiles={uploads.add} />}
                        <DocumentList
                          base={baseId}
                          editable={editable}
                          uploads={uploads.items}
                          onRetryUpload={uploads.retry}
                          onRemoveUpload={uploads.remove}
                        />
                      </>
                    ),
                  },
                  ...(usable
                    ? [
                        {
                          key: 'search',
                          label: t('knowledge.search'),
                          children: <SearchTry base={baseId} onOpen={setPassage} />,
                        },
                      ]
                    : []),
                ]}
              />
            )}
          </QueryState>
        </Page>
      </div>
      <PassagePanel passage={passage} onClose={() => setPassage(undefined)} />
      {base && sharing && <ShareDialog base={base} onClose={() => setSharing(false)} />}
      <BaseForm base={base} open={editing} onClose={() => setEditing(false)} onSaved={() => setEditing(false)} />
    </div>
  );
}

function DeleteBase({ id, name }: { id: string; name: string }) {
  const { t } = useTranslation();
  const { modal, message: toast } = App.useApp();
  const describe = useDescribe();
  const navigate = useNavigate();
  const remove = useDeleteKnowledgeBase();
  const ask = () =>
    void modal.confirm({
      title: t('knowledge.delete'),
      content: t('knowledge.deleteHint', { name }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: async () => {
        try {
          await remove.mutateAsync(id);
          dropUploads(id);
          await navigate({ to: '/knowledge' });
        } catch (error) {
          toast.error(describe(error));
        }
      },
    });
  return <Button icon={<DeleteOutlined />} aria-label={t('knowledge.delete')} onClick={ask} />;
}
