import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { AutoComplete, Button, Form, Segmented, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { rightsQuery, type AccessQuestion, type AccessSearch } from '@/api/access';
import { providersQuery } from '@/api/gateway';
import { apiKeysQuery } from '@/api/identity';
import { knowledgeBasesQuery } from '@/api/knowledge';
import styles from './admin.module.css';
import { PersonSelect } from '@/components/person-select';
import { useRightText } from './rights';
import { usePermits } from '@/components/use-permits';

interface FormValues {
  kind: 'right' | 'object';
  user: string;
  right?: string;
  level?: string;
  object_type?: ObjectType;
  object_id?: string;
}

type ObjectType = 'knowledge_base' | 'provider' | 'api_key';

const TYPES: ObjectType[] = ['knowledge_base', 'provider', 'api_key'];
const LEVELS = { knowledge_base: ['view', 'use', 'edit', 'own'], provider: ['use', 'own'] } as const;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

interface AccessFormProps {
  search: AccessSearch;
  onAsk: (question: AccessQuestion) => void;
}

export function AccessForm({ search, onAsk }: AccessFormProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const text = useRightText();
  const [form] = Form.useForm<FormValues>();
  const initial = initialValues(search);
  const kind = Form.useWatch<FormValues['kind'] | undefined>('kind', form) ?? initial.kind;
  const type = Form.useWatch<ObjectType | undefined>('object_type', form) ?? initial.object_type;
  const rights = useQuery({ ...rightsQuery, enabled: may('role:read') });
  const objects = useObjects(kind === 'object' ? type : undefined);
  const ask = (values: FormValues) =>
    onAsk(
      values.kind === 'right'
        ? { user: values.user, action: values.right ?? '' }
        : {
            user: values.user,
            // Of a key a right is asked, of other objects a level.
            action: (values.object_type === 'api_key' ? values.right : values.level) ?? '',
            object_type: values.object_type ?? '',
            object_id: values.object_id?.trim() ?? '',
          },
    );
  const required = { required: true, message: t('common.required') };
  const right = (
    <Form.Item name="right" label={t('access.action')} rules={[required]}>
      <AutoComplete
        placeholder={t('access.actionPlaceholder')}
        showSearch={{
          filterOption: (input, option) =>
            `${option?.value} ${option?.title}`.toLowerCase().includes(input.toLowerCase()),
        }}
        options={(rights.data?.items ?? []).map((value) => ({
          value,
          title: text.pattern(value),
          label: `${value} · ${text.pattern(value)}`,
        }))}
      />
    </Form.Item>
  );
  return (
    <Form form={form} layout="vertical" requiredMark={false} initialValues={initial} onFinish={ask}>
      <div className={styles.question}>
        <Form.Item name="user" label={t('access.person')} rules={[required]}>
          <PersonSelect label={t('access.person')} by="username" />
        </Form.Item>
        <Form.Item name="kind" label={t('access.kind')}>
          <Segmented
            block
            aria-label={t('access.kind')}
            options={(['right', 'object'] as const).map((value) => ({ value, label: t(`access.kinds.${value}`) }))}
          />
        </Form.Item>
        {kind === 'right' ? (
          right
        ) : (
          <>
            <Form.Item name="object_type" label={t('access.objectType')}>
              <Select
                options={TYPES.map((value) => ({ value, label: t(`access.objectTypes.${value}`) }))}
                onChange={() => form.setFieldsValue({ object_id: undefined, level: 'use' })}
              />
            </Form.Item>
            <Form.Item
              name="object_id"
              label={t('access.object')}
              extra={t('access.objectHint')}
              rules={[required, { pattern: ID, message: t('access.objectInvalid') }]}
            >
              <AutoComplete
                showSearch={{
                  filterOption: (input, option) =>
                    `${option?.value} ${option?.label}`.toLowerCase().includes(input.toLowerCase()),
                }}
                options={objects}
              />
            </Form.Item>
            {type === 'api_key' ? (
              right
            ) : (
              <Form.Item name="level" label={t('access.level')}>
                <Select
                  options={LEVELS[type ?? 'knowledge_base'].map((value) => ({ value, label: t(`access.levels.${value}`) }))}
                />
              </Form.Item>
            )}
          </>
        )}
      </div>
      <Form.Item>
        <Button type="primary" htmlType="submit">
          {t('access.ask')}
        </Button>
      </Form.Item>
    </Form>
  );
}

function initialValues(search: AccessSearch): FormValues {
  const object = search.object_type !== undefined;
  const levels = object && search.object_type !== 'api_key';
  return {
    kind: object ? 'object' : 'right',
    user: search.user ?? (null as unknown as string),
    right: levels ? undefined : search.action,
    level: levels ? search.action : 'use',
    object_type: TYPES.find((type) => type === search.object_type) ?? 'knowledge_base',
    object_id: search.object_id,
  };
}

/** The objects that the asking person sees. */
function useObjects(type: ObjectType | undefined): { value: string; label: string }[] {
  const may = usePermits();
  const bases = useInfiniteQuery({
    ...knowledgeBasesQuery,
    enabled: type === 'knowledge_base' && may('knowledge_base:read'),
  });
  const providers = useQuery({ ...providersQuery, enabled: type === 'provider' && may('provider:read') });
  // Those of the asking person; of another's key the id is pasted.
  const keys = useInfiniteQuery({ ...apiKeysQuery, enabled: type === 'api_key' && may('api_key:read') });
  if (type === 'api_key') {
    const items = keys.data?.pages.flatMap((page) => page.items) ?? [];
    return items.map(({ id, name }) => ({ value: id, label: name }));
  }
  if (type === 'provider') return (providers.data?.items ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const items = bases.data?.pages.flatMap((page) => page.items) ?? [];
  return items.map(({ id, name }) => ({ value: id, label: name }));
}
