import { FilterOutlined, StarFilled } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button, Dropdown, Skeleton } from 'antd';
import { useState, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { conversationsQuery, type ConversationFilter } from '@/api/chat';
import type { Conversation } from '@/api/types';
import { ErrorState } from '@/components/states';
import { dayGroup, type DayGroup } from '@/lib/format';
import { useInView } from '@/lib/use-in-view';
import { ConversationMenu } from './conversation-menu';
import styles from './history.module.css';

type View = 'all' | 'favorites' | 'archived';

const FILTERS: Record<View, ConversationFilter> = {
  all: {},
  favorites: { favorite: true },
  archived: { archived: true },
};

function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (step === 0) return;
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>('a')];
  const at = links.findIndex((link) => link === document.activeElement);
  if (at < 0) return;
  event.preventDefault();
  links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
}

function grouped(items: Conversation[]): [DayGroup, Conversation[]][] {
  const now = new Date();
  const groups = new Map<DayGroup, Conversation[]>();
  for (const item of items) {
    const group = dayGroup(item.last_message_at, now);
    groups.set(group, [...(groups.get(group) ?? []), item]);
  }
  return [...groups];
}

/** The conversations by date, newest activity first; older ones load while scrolling. */
export function History({ onNavigate }: { onNavigate: () => void }) {
  const { t } = useTranslation();
  const [view, setView] = useState<View>('all');
  const query = useInfiniteQuery(conversationsQuery(FILTERS[view]));
  const end = useInView(() => void query.fetchNextPage(), query.hasNextPage && !query.isFetchingNextPage);
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <nav aria-label={t('chat.history')} onKeyDown={moveFocus}>
      <div className={styles.head}>
        <h2>{view === 'all' ? t('chat.history') : t(`chat.view.${view}`)}</h2>
        <Dropdown
          trigger={['click']}
          menu={{
            selectable: true,
            selectedKeys: [view],
            items: (['all', 'favorites', 'archived'] as const).map((key) => ({
              key,
              label: t(`chat.view.${key}`),
              onClick: () => setView(key),
            })),
          }}
        >
          <Button type="text" size="small" icon={<FilterOutlined />} aria-label={t('chat.filterHistory')} />
        </Dropdown>
      </div>
      {query.isPending && <Skeleton active title={false} className={styles.skeleton} />}
      {query.isError && <ErrorState error={query.error} onRetry={() => void query.refetch()} />}
      {query.isSuccess && items.length === 0 && <p className={styles.none}>{t(`chat.none.${view}`)}</p>}
      {grouped(items).map(([group, conversations]) => (
        <section key={group}>
          <h3 className={styles.group}>{t(`chat.group.${group}`)}</h3>
          <ul className={styles.list}>
            {conversations.map((item) => (
              <Entry key={item.id} conversation={item} onNavigate={onNavigate} />
            ))}
          </ul>
        </section>
      ))}
      <div ref={end} />
      {query.isFetchingNextPage && <Skeleton active title={false} className={styles.skeleton} />}
    </nav>
  );
}

function Entry({ conversation, onNavigate }: { conversation: Conversation; onNavigate: () => void }) {
  const { t } = useTranslation();
  const title = conversation.title || t('chat.untitled');
  return (
    <li className={styles.entry}>
      <Link
        to="/chat/$conversationId"
        params={{ conversationId: conversation.id }}
        className={styles.link}
        activeProps={{ 'data-active': true }}
        onClick={onNavigate}
        title={title}
      >
        {conversation.is_favorite && <StarFilled aria-label={t('chat.favorite')} />}
        <span>{title}</span>
      </Link>
      <ConversationMenu conversation={conversation} />
    </li>
  );
}
