import { useQuery } from '@tanstack/react-query';
import { Button, Select, Spin } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usageSummaryQuery, type UsageFilter, type UsageRange } from '@/api/gateway';
import { usePermits } from '@/components/use-permits';
import styles from './gateway.module.css';
import { DIMENSIONS, dimensions, isNone, MOST_GROUPS, useGroupName, type Dimension } from './usage-dimensions';

interface UsageFiltersProps {
  range: UsageRange;
  filter: UsageFilter;
  onChange: (filter: UsageFilter) => void;
}

/** Which calls the page is about. */
export function UsageFilters({ range, filter, onChange }: UsageFiltersProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const active = Object.values(filter).some((value) => value !== undefined);
  return (
    <div className={styles.manyFilters} role="search" aria-label={t('spend.filters')}>
      {dimensions(may('usage:read_all')).map((name) => (
        <OneFilter
          key={name}
          name={name}
          range={range}
          value={filter[DIMENSIONS[name].param]}
          onChange={(value) => onChange({ ...filter, [DIMENSIONS[name].param]: value })}
        />
      ))}
      {active && (
        <Button type="link" onClick={() => onChange({})}>
          {t('spend.clear')}
        </Button>
      )}
    </div>
  );
}

interface OneFilterProps {
  name: Dimension;
  range: UsageRange;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/**
 * Offers what has calls in the period, so that no choice comes to nothing; of end users, who may be more
 * than the server names, also the one that is typed.
 */
function OneFilter({ name, range, value, onChange }: OneFilterProps) {
  const { t } = useTranslation();
  const nameOf = useGroupName(name);
  const [opened, setOpened] = useState(false);
  const [typed, setTyped] = useState('');
  const groups = useQuery({ ...usageSummaryQuery(range, name), enabled: opened || value !== undefined });
  const options = (groups.data?.items ?? [])
    .filter(({ key }) => !isNone(name, key))
    .map((row) => ({ value: row.key, label: nameOf(row) }));
  const isCut = name === 'end_user' && (groups.data?.items.length ?? 0) >= MOST_GROUPS;
  const other = typed.trim();
  if (isCut && other !== '' && options.every(({ value: offered }) => offered !== other)) {
    // Found by what was typed, spaces and all.
    options.push({ value: other, label: typed });
  }
  return (
    <Select
      allowClear
      aria-label={t(DIMENSIONS[name].title)}
      placeholder={t(DIMENSIONS[name].title)}
      showSearch={{ optionFilterProp: 'label', onSearch: setTyped }}
      popupMatchSelectWidth={false}
      styles={{ popup: { root: { maxWidth: 'min(480px, 90vw)' } } }}
      value={value === undefined ? null : value}
      options={options}
      notFoundContent={groups.isFetching ? <Spin size="small" /> : t('app.nothingFound')}
      onOpenChange={(open) => open && setOpened(true)}
      onChange={(chosen: string | null | undefined) => onChange(chosen ?? undefined)}
    />
  );
}
