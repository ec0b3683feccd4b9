import { DeleteOutlined, EditOutlined, InboxOutlined, MoreOutlined, StarOutlined } from '@ant-design/icons';
import { useNavigate, useRouterState } from '@tanstack/react-router';
import { App, Button, Dropdown, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useDeleteConversation, useUpdateConversation } from '@/api/chat';
import type { Conversation } from '@/api/types';
import { useDescribe } from '@/lib/use-describe';
import styles from './history.module.css';

/** Longest title that the server takes. */
const MAX_TITLE = 200;

export function ConversationMenu({ conversation }: { conversation: Conversation }) {
  const { t } = useTranslation();
  const { modal, message: toast } = App.useApp();
  const describe = useDescribe();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const update = useUpdateConversation();
  const remove = useDeleteConversation();
  const [renaming, setRenaming] = useState<string>();
  const { id } = conversation;
  const tell = (error: unknown) => void toast.error(describe(error));

  const confirmDelete = () =>
    void modal.confirm({
      title: t('chat.deleteTitle'),
      content: t('chat.deleteHint', { title: conversation.title || t('chat.untitled') }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: async () => {
        try {
          await remove.mutateAsync(id);
          if (path === `/chat/${id}`) await navigate({ to: '/chat' });
        } catch (error) {
          tell(error);
        }
      },
    });
  return (
    <>
      <Dropdown
        trigger={['click']}
        menu={{
          items: [
            { key: 'rename', icon: <EditOutlined />, label: t('chat.rename'), onClick: () => setRenaming(conversation.title) },
            {
              key: 'favorite',
              icon: <StarOutlined />,
              label: conversation.is_favorite ? t('chat.unfavorite') : t('chat.addFavorite'),
              onClick: () => update.mutate({ id, is_favorite: !conversation.is_favorite }, { onError: tell }),
            },
            {
              key: 'archive',
              icon: <InboxOutlined />,
              label: conversation.archived_at ? t('chat.unarchive') : t('chat.archive'),
              onClick: () => update.mutate({ id, archived: !conversation.archived_at }, { onError: tell }),
            },
            { type: 'divider' },
            { key: 'delete', icon: <DeleteOutlined />, label: t('common.delete'), danger: true, onClick: confirmDelete },
          ],
        }}
      >
        <Button
          type="text"
          size="small"
          className={styles.menu}
          icon={<MoreOutlined />}
          aria-label={t('chat.menu', { title: conversation.title || t('chat.untitled') })}
        />
      </Dropdown>
      <Modal
        open={renaming !== undefined}
        title={t('chat.rename')}
        okText={t('common.save')}
        cancelText={t('common.cancel')}
        confirmLoading={update.isPending}
        okButtonProps={{ disabled: !renaming?.trim() }}
        onCancel={() => setRenaming(undefined)}
        onOk={() => update.mutate({ id, title: renaming?.trim() ?? '' }, { onSuccess: () => setRenaming(undefined), onError: tell })}
      >
        <Input
          aria-label={t('chat.titleLabel')}
          maxLength={MAX_TITLE}
          value={renaming}
          onChange={(event) => setRenaming(event.target.value)}
        />
      </Modal>
    </>
  );
}
