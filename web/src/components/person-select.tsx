import { useQuery } from '@tanstack/react-query';
import { Select, Spin } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { findUsersQuery } from '@/api/people';


interface PersonSelectProps {
  id?: string;
  label: string;
  placeholder?: string;
  value?: string | null;
  onChange?: (id: string) => void;
  /** What of a person is the value. */
  by?: 'id' | 'username';
  disabled?: boolean;
}

/** Finds one person by a part of their name or address. */
export function PersonSelect({ id, label, placeholder, value, onChange, by = 'id', disabled = false }: PersonSelectProps) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const found = useQuery(findUsersQuery(text));
  const options = (found.data?.items ?? []).map((user) => ({
    value: user[by],
    label: `${user.display_name || user.username} · ${user.email}`,
  }));
  return (
    <Select
      {...(id ? { id } : {})}
      aria-label={label}
      style={{ width: '100%' }}
      placeholder={placeholder ?? t('people.search')}
      showSearch={{ filterOption: false, onSearch: setText }}
      value={value ?? null}
      disabled={disabled}
      options={options}
      notFoundContent={found.isFetching ? <Spin size="small" /> : t('app.nothingFound')}
      onChange={(chosen: string | null) => chosen && onChange?.(chosen)}
    />
  );
}
