import { useQuery } from '@tanstack/react-query';
import { Button, Select, Spin } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usageSummaryQuery, type UsageFilter, type UsageRange } from '@/api/gateway';
import { usePermits } from '@/components/use-permits';
import styles from './gateway.module.css';
import { DIMENSIONS, dimensions, isNone, useGroupName, type Dimension } from './usage-dimensions';

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

/** Offers what has calls in the period, so that no choice comes to nothing. */
function OneFilter({ name, range, value, onChange }: OneFilterProps) {
  const { t } = useTranslation();
  const nameOf = useGroupName(name);
  const [opened, setOpened] = useState(false);
  const groups = useQuery({ ...usageSummaryQuery(range, name), enabled: opened || value !== undefined });
  const options = (groups.data?.items ?? [])
    .filter(({ key }) => !isNone(name, key))
    .map((row) => ({ value: row.key, label: nameOf(row) }));
  return (
    <Select
      allowClear
      aria-label={t(DIMENSIONS[name].title)}
      placeholder={t(DIMENSIONS[name].title)}
      showSearch={{ optionFilterProp: 'label' }}
      popupMatchSelectWidth={false}
      value={value === undefined ? null : value}
      options={options}
      notFoundContent={groups.isFetching ? <Spin size="small" /> : t('app.nothingFound')}
      onOpenChange={(open) => open && setOpened(true)}
      onChange={(chosen: string | null | undefined) => onChange(chosen ?? undefined)}
    />
  );
}
