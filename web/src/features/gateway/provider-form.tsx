import { useQuery } from '@tanstack/react-query';
import { Alert, Form, Input, Modal, Radio, Select, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { catalogueQuery, useSaveProvider, type ProviderInput } from '@/api/gateway';
import { meQuery } from '@/api/identity';
import type { Provider } from '@/api/types';
import { QueryState } from '@/components/states';
import { permits } from '@/lib/permissions';
import { useFormErrors } from '@/lib/use-form-errors';
import { toRows, useRefusedHeader } from './headers-field';
import { cleanConfig, SchemaFields } from './schema-fields';

interface ProviderFormProps {
  provider: Provider | undefined;
  onClose: () => void;
}

export function ProviderForm({ provider, onClose }: ProviderFormProps) {
  const { t } = useTranslation();
  const catalogue = useQuery(catalogueQuery);
  const { data: me } = useQuery(meQuery);
  const [form] = Form.useForm<ProviderInput>();
  const errors = useFormErrors(form, useRefusedHeader(form));
  const save = useSaveProvider();
  const scope = (Form.useWatch('scope', form) as string | undefined) ?? provider?.scope;
  // Undefined until the form stands.
  const watched = Form.useWatch('provider', form) as string | undefined;
  const chosen = watched ?? provider?.provider;
  const kinds = (catalogue.data?.items ?? []).filter((kind) => kind.name !== 'local' && kind.is_active);
  const kind = kinds.find((item) => item.name === chosen);
  const schema = kind?.config_schema;
  const headers = toRows(provider?.config);

  const submit = async () => {
    const values = await form.validateFields();
    // An empty key keeps the stored one.
    const { api_key, provider: name, scope: owner, audience, config, ...others } = values;
    const rest = { ...others, config: cleanConfig(config) };
    const whom = audience && !provider ? { audience } : {};
    const key = api_key ? { api_key } : {};
    save.mutate(provider ? { id: provider.id, ...rest, ...key } : { provider: name, scope: owner, ...rest, ...key, ...whom }, {
      onSuccess: onClose,
      onError: errors.show,
    });
  };
  const required = { required: true, whitespace: true, message: t('common.required') };
  return (
    <Modal
      open
      title={provider ? t('providers.edit') : t('providers.create')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      <QueryState query={catalogue}>
        {() => (
          <Form
            form={form}
            layout="vertical"
            onFinish={() => void submit().catch(() => undefined)}
            initialValues={{
              provider: provider?.provider,
              name: provider?.name,
              scope: provider?.scope ?? 'personal',
              base_url: provider?.base_url ?? undefined,
              config: provider && { ...provider.config, headers },
              is_active: provider?.is_active ?? true,
            }}
          >
            {errors.general && <Alert type="error" showIcon title={errors.general} />}
            <Form.Item name="provider" label={t('providers.kind')} rules={[required]}>
              <Select
                disabled={provider !== undefined}
                placeholder={t('providers.kindPlaceholder')}
                options={kinds.map((item) => ({ value: item.name, label: item.display_name }))}
                onChange={(value: string) => {
                  const picked = kinds.find((item) => item.name === value);
                  if (!form.getFieldValue('name')) form.setFieldValue('name', picked?.display_name);
                  form.setFieldValue('base_url', picked?.default_base_url ?? undefined);
                }}
              />
            </Form.Item>
            <Form.Item name="name" label={t('providers.name')} rules={[required]}>
              <Input maxLength={100} />
            </Form.Item>
              <Form.Item
                name="base_url"
                label={t('providers.baseUrl')}
                extra={t('providers.baseUrlHint')}
                rules={[
                  { type: 'url', message: t('providers.baseUrlInvalid') },
                  { required: kind !== undefined && !kind.default_base_url, message: t('common.required') },
                ]}
              >
                <Input placeholder="https://" maxLength={500} inputMode="url" />
              </Form.Item>
              <Form.Item
                name="api_key"
                label={t('providers.key')}
                rules={[{ required: !provider && kind?.requires_api_key === true, message: t('common.required') }]}
                extra={provider?.api_key_hint ? t('providers.keyKept', { hint: provider.api_key_hint.slice(-4) }) : t('providers.keyHint')}
              >
                <Input.Password autoComplete="off" maxLength={4000} />
              </Form.Item>
            {schema && (
              <SchemaFields
                key={chosen}
                schema={schema}
                headers={headers}
                onBaseUrl={(url) => form.setFieldValue('base_url', url)}
              />
            )}
            {permits(me?.permissions ?? [], 'organization_provider:manage') && (
              <Form.Item name="scope" label={t('providers.scope')} hidden={provider !== undefined}>
                <Radio.Group
                  options={[
                    { value: 'personal', label: t('providers.scopes.personal') },
                    { value: 'organization', label: t('providers.scopes.organization') },
                  ]}
                />
              </Form.Item>
            )}
            {!provider && scope === 'organization' && (
              <Form.Item name="audience" label={t('distribution.audience')} initialValue="everyone" extra={t('distribution.formHint')}>
                <Radio.Group
                  options={[
                    { value: 'everyone', label: t('distribution.everyone') },
                    { value: 'selected', label: t('distribution.selected') },
                  ]}
                />
              </Form.Item>
            )}
            {provider && (
              <Form.Item name="is_active" label={t('distribution.inUse')} valuePropName="checked" extra={t('distribution.inUseHint')}>
                <Switch />
              </Form.Item>
            )}
          </Form>
        )}
      </QueryState>
    </Modal>
  );
}
