import { AutoComplete, DatePicker, Input, Select, Spin } from 'antd';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { AuditFilter } from '@/api/ops';
import { findUsersQuery } from '@/api/people';
import { usePermits } from '@/components/use-permits';
import styles from './ops.module.css';

const ACTIONS = ['create', 'update', 'delete', 'sign_in', 'sign_in_failed', 'sign_out', 'export'];

const RESOURCES = [
  'user',
  'user_role',
  'group',
  'group_member',
  'role',
  'invitation',
  'oidc_provider',
  'scim_token',
  'session',
  'totp',
  'passkey',
  'api_key',
  'provider',
  'provider_distribution',
  'model',
  'model_price',
  'default_model',
  'model_route',
  'user_quota',
  'rate_limit',
  'conversation',
  'knowledge_base',
  'knowledge_base_grant',
  'document',
  'data_export',
  'system_config',
  'audit_log',
];

interface AuditFiltersProps {
  filter: AuditFilter;
  onChange: (filter: AuditFilter) => void;
}

export function AuditFilters({ filter, onChange }: AuditFiltersProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const set = (change: Partial<Record<keyof AuditFilter, string | undefined>>) =>
    onChange({ ...filter, ...change });
  const line = (key: 'action' | 'resource_type', label: string, options: string[]) => (
    <AutoComplete
      allowClear
      aria-label={label}
      placeholder={label}
      options={options.map((value) => ({ value }))}
      showSearch={{ filterOption: (input, option) => (option?.value ?? '').includes(input.toLowerCase()) }}
      onSelect={(value: string) => set({ [key]: value })}
      onClear={() => set({ [key]: undefined })}
      onBlur={(event) => set({ [key]: (event.target as HTMLInputElement).value.trim() || undefined })}
    />
  );
  const search = (key: 'q' | 'resource_id' | 'ip_address', label: string) => (
    <Input.Search
      allowClear
      aria-label={label}
      placeholder={label}
      onSearch={(value) => set({ [key]: value.trim() || undefined })}
    />
  );
  return (
    <div className={styles.filters} role="search">
      {search('q', t('auditMore.text'))}
      {may('user:read') && <PersonFilter value={filter.user_id} onChange={(user_id) => set({ user_id })} />}
      {line('action', t('audit.action'), ACTIONS)}
      {line('resource_type', t('audit.resource'), RESOURCES)}
      {search('resource_id', t('auditMore.resourceId'))}
      {search('ip_address', t('auditMore.address'))}
      <DatePicker.RangePicker
        aria-label={t('audit.period')}
        showTime={{ format: 'HH:mm' }}
        format="YYYY-MM-DD HH:mm"
        onChange={(dates) => set({ from: dates?.[0]?.toISOString(), to: dates?.[1]?.toISOString() })}
      />
    </div>
  );
}

function PersonFilter({ value, onChange }: { value: string | undefined; onChange: (id: string | undefined) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const found = useQuery(findUsersQuery(text));
  return (
    <Select
      allowClear
      aria-label={t('audit.who')}
      placeholder={t('audit.who')}
      showSearch={{ filterOption: false, onSearch: setText }}
      value={value ?? null}
      notFoundContent={found.isFetching ? <Spin size="small" /> : t('app.nothingFound')}
      options={(found.data?.items ?? []).map((user) => ({ value: user.id, label: user.display_name || user.username }))}
      onChange={(id: string | null | undefined) => onChange(id ?? undefined)}
    />
  );
}
