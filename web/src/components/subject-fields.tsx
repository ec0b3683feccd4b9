import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { AutoComplete, Form, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { modelsQuery } from '@/api/gateway';
import { apiKeysQuery } from '@/api/identity';
import type { RateScope } from '@/api/limits';
import { allGroupsQuery } from '@/api/people';
import { PersonSelect } from '@/components/person-select';

export interface Subject<Scope> {
  scope: Scope;
  subject: string;
}

/** For whom or what a limit is: its kind, then the one. */
export function SubjectFields({ scopes }: { scopes: RateScope[] }) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const scope = (Form.useWatch('scope', form) as RateScope | undefined) ?? scopes[0];
  return (
    <>
      <Form.Item name="scope" label={t('limits.scope')}>
        <Select
          options={scopes.map((value) => ({ value, label: t(`limits.scopes.${value}`) }))}
          onChange={() => form.setFieldValue('subject', undefined)}
        />
      </Form.Item>
      {scope !== undefined && scope !== 'organization' && (
        <Form.Item
          key={scope}
          name="subject"
          label={t(`limits.one.${scope}`)}
          rules={[{ required: true, message: t('common.required') }]}
          extra={scope === 'api-keys' ? t('limits.keyHint') : undefined}
        >
          {scope === 'users' ? (
            <PersonSelect label={t('limits.one.users')} />
          ) : scope === 'groups' ? (
            <GroupSelect />
          ) : scope === 'models' ? (
            <ModelSelect />
          ) : (
            <KeySelect />
          )}
        </Form.Item>
      )}
    </>
  );
}

/** What a form item hands to its control. */
interface Chosen {
  id?: string;
  value?: string;
  onChange?: (value: string) => void;
}

function GroupSelect(props: Chosen) {
  const groups = useQuery(allGroupsQuery);
  const options = (groups.data ?? []).map((group) => ({ value: group.id, label: group.name }));
  return <Select {...props} showSearch={{ optionFilterProp: 'label' }} loading={groups.isPending} options={options} />;
}

function ModelSelect(props: Chosen) {
  const models = useQuery(modelsQuery);
  const options = (models.data?.items ?? []).map((model) => ({ value: model.id, label: model.name }));
  return <Select {...props} showSearch={{ optionFilterProp: 'label' }} loading={models.isPending} options={options} />;
}

/** One of the caller's keys, or the id of another's. */
function KeySelect(props: Chosen) {
  const keys = useInfiniteQuery(apiKeysQuery);
  const options = (keys.data?.pages.flatMap((page) => page.items) ?? []).map((key) => ({
    value: key.id,
    label: `${key.name} · …${key.hint.slice(-4)}`,
  }));
  return <AutoComplete {...props} options={options} />;
}
