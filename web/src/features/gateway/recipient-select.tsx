import { useQuery } from '@tanstack/react-query';
import { Select, Spin } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { allGroupsQuery, findUsersQuery } from '@/api/people';
import { usePermits } from '@/components/use-permits';

export interface Recipients {
  user_ids: string[];
  group_ids: string[];
}

/** People and groups out of the values that this chooses, `user:ID` and `group:ID`. */
export function recipients(values: readonly string[]): Recipients {
  const of = (kind: string) =>
    values.filter((value) => value.startsWith(`${kind}:`)).map((value) => value.slice(kind.length + 1));
  return { user_ids: of('user'), group_ids: of('group') };
}

interface RecipientSelectProps {
  id?: string;
  label: string;
  value?: string[];
  onChange?: (values: string[]) => void;
}

/** Finds people and groups by a part of their names, any number of them. */
export function RecipientSelect({ id, label, value = [], onChange }: RecipientSelectProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const [text, setText] = useState('');
  // Those chosen before stay named when the search has moved on.
  const [names, setNames] = useState<Record<string, string>>({});
  const users = useQuery({ ...findUsersQuery(text), enabled: may('user:read') });
  const groups = useQuery({ ...allGroupsQuery, enabled: may('group:read') });
  const wanted = text.trim().toLowerCase();
  const people = (users.data?.items ?? []).map((user) => ({
    value: `user:${user.id}`,
    label: user.display_name ? `${user.display_name} (${user.username})` : user.username,
  }));
  const bands = (groups.data ?? [])
    .filter((group) => group.name.toLowerCase().includes(wanted))
    .map((group) => ({ value: `group:${group.id}`, label: group.name }));
  const options = [
    ...(bands.length > 0 ? [{ label: t('recipients.groups'), options: bands }] : []),
    ...(people.length > 0 ? [{ label: t('recipients.people'), options: people }] : []),
  ];
  const choose = (chosen: { value: string; label: string }[]) => {
    setNames((known) => ({ ...known, ...Object.fromEntries(chosen.map((item) => [item.value, item.label])) }));
    onChange?.(chosen.map((item) => item.value));
  };
  return (
    <Select
      {...(id ? { id } : {})}
      mode="multiple"
      labelInValue
      aria-label={label}
      placeholder={t('recipients.search')}
      style={{ width: '100%' }}
      showSearch={{ filterOption: false, onSearch: setText }}
      value={value.map((item) => ({ value: item, label: names[item] ?? item }))}
      options={options}
      notFoundContent={users.isFetching ? <Spin size="small" /> : t('app.nothingFound')}
      onChange={choose}
    />
  );
}
