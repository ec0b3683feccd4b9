import { useInfiniteQuery } from '@tanstack/react-query';
import { App, Radio, Select } from 'antd';
import type { UIEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { SEND_KEYS, useChatPreference, useSaveChatPreference, type ChatPreference } from '@/api/chat-preference';
import { knowledgeBasesQuery, useAskableBases } from '@/api/knowledge';
import { usePermits } from '@/components/use-permits';
import { useDescribe } from '@/lib/use-describe';
import styles from './profile.module.css';

/** As many as a conversation can have. */
const MAX_BASES = 20;

/** The key that sends, and what a new chat asks. */
export function ChatDefaults() {
  const { t } = useTranslation();
  const may = usePermits();
  const preference = useChatPreference();
  const { mutate } = useSaveChatPreference();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const change = (part: Partial<ChatPreference>) =>
    mutate({ ...preference, ...part }, { onError: (error) => void toast.error(describe(error)) });
  return (
    <div className={styles.appearance}>
      <div role="group" aria-label={t('myProfile.sendWith')}>
        <p>{t('myProfile.sendWith')}</p>
        <Radio.Group
          optionType="button"
          value={preference.send_with}
          options={SEND_KEYS.map((value) => ({ value, label: t(`myProfile.sendKeys.${value}`) }))}
          onChange={(event) => {
            const chosen: unknown = event.target.value;
            const key = SEND_KEYS.find((known) => known === chosen);
            if (key) change({ send_with: key });
          }}
        />
      </div>
      {may('knowledge_base:read') && (
        <div className={styles.bases}>
          <p>{t('myProfile.chatBases')}</p>
          <BaseSelect value={preference.knowledge_base_ids} onChange={(ids) => change({ knowledge_base_ids: ids })} />
        </div>
      )}
    </div>
  );
}

interface BaseSelectProps {
  value: string[];
  onChange: (ids: string[]) => void;
}

function BaseSelect({ value, onChange }: BaseSelectProps) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(knowledgeBasesQuery);
  const kept = useAskableBases(value);
  const listed = query.data?.pages.flatMap((page) => page.items).filter(({ level }) => level !== 'view') ?? [];
  // What was chosen from a later page has its name, too.
  const bases = [...listed, ...kept.bases.filter(({ id }) => !listed.some((base) => base.id === id))];
  const shown = value.filter((id) => bases.some((base) => base.id === id));
  // Those that are still looked up stay; those that are gone go with the next change.
  const awaited = kept.pending ? value.filter((id) => !shown.includes(id)) : [];
  const onPopupScroll = ({ currentTarget: list }: UIEvent<HTMLDivElement>) => {
    const atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 40;
    if (atEnd && query.hasNextPage && !query.isFetchingNextPage) void query.fetchNextPage();
  };
  return (
    <Select
      mode="multiple"
      aria-label={t('myProfile.chatBases')}
      style={{ width: '100%' }}
      placeholder={t('myProfile.chatBasesHint')}
      showSearch={{ optionFilterProp: 'label' }}
      maxCount={MAX_BASES}
      loading={query.isPending}
      value={shown}
      options={bases.map(({ id, name }) => ({ value: id, label: name }))}
      notFoundContent={t('app.nothingFound')}
      onPopupScroll={onPopupScroll}
      onChange={(ids: string[]) => onChange([...awaited, ...ids])}
    />
  );
}
