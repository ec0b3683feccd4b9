import { AutoComplete, DatePicker, Input, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import type { LogFilter } from '@/api/ops';
import type { SystemLog } from '@/api/types';
import { LEVELS, useLevelText } from './log-level';
import styles from './ops.module.css';

/** The largest parts of the program, beside those that the entries name. */
const MODULES = [
  'lyceum_chat',
  'lyceum_engine',
  'lyceum_gateway',
  'lyceum_http',
  'lyceum_identity',
  'lyceum_knowledge',
  'lyceum_ops',
  'lyceum_store',
];

interface LogFiltersProps {
  filter: LogFilter;
  /** What is shown, of which the names are suggested. */
  entries: SystemLog[];
  onChange: (filter: LogFilter) => void;
}

export function LogFilters({ filter, entries, onChange }: LogFiltersProps) {
  const { t } = useTranslation();
  const level = useLevelText();
  const set = (change: Partial<Record<keyof LogFilter, string | undefined>>) => {
    const next = { ...filter, ...change };
    onChange(Object.fromEntries(Object.entries(next).filter(([, value]) => value)));
  };
  const line = (key: 'module' | 'node', label: string, names: string[]) => (
    <AutoComplete
      allowClear
      aria-label={label}
      placeholder={label}
      maxLength={200}
      options={[...new Set(names)].sort().map((value) => ({ value }))}
      showSearch={{ filterOption: (input, option) => (option?.value ?? '').includes(input.toLowerCase()) }}
      onSelect={(value: string) => set({ [key]: value })}
      onClear={() => set({ [key]: undefined })}
      onBlur={(event) => set({ [key]: (event.target as HTMLInputElement).value.trim() })}
      onInputKeyDown={(event) => {
        if (event.key === 'Enter') set({ [key]: (event.target as HTMLInputElement).value.trim() });
      }}
    />
  );
  return (
    <div className={styles.filters} role="search">
      <Input.Search
        allowClear
        maxLength={200}
        aria-label={t('logs.text')}
        placeholder={t('logs.text')}
        onSearch={(value) => set({ q: value.trim() })}
      />
      <Select
        allowClear
        aria-label={t('logs.level')}
        placeholder={t('logs.level')}
        value={filter.level ?? null}
        options={LEVELS.map((value) => ({ value, label: level(value) }))}
        onChange={(value: string | null | undefined) => set({ level: value ?? undefined })}
      />
      {line('module', t('logs.module'), [...MODULES, ...entries.map((entry) => entry.module)])}
      {line('node', t('logs.node'), entries.map((entry) => entry.node))}
      <DatePicker.RangePicker
        aria-label={t('logs.period')}
        showTime={{ format: 'HH:mm' }}
        format="YYYY-MM-DD HH:mm"
        onChange={(dates) => set({ from: dates?.[0]?.toISOString(), to: dates?.[1]?.toISOString() })}
      />
    </div>
  );
}
