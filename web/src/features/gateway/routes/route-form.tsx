import { useQuery } from '@tanstack/react-query';
import { Alert, Form, Input, Modal, Radio, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { modelsQuery } from '@/api/gateway';
import { useSaveRoute } from '@/api/traffic';
import type { ModelRoute } from '@/api/types';
import { QueryState } from '@/components/states';
import { usePermits } from '@/components/use-permits';
import { ApiProblem } from '@/lib/problem';
import { useFormErrors } from '@/lib/use-form-errors';
import { fromSettings, toSettings, toTargets, type RouteValues } from './route-values';
import { SettingsFields } from './settings-fields';
import { TargetFields } from './target-fields';

interface RouteFormProps {
  route: ModelRoute | undefined;
  onClose: () => void;
}

/** Makes a route, or changes one. */
export function RouteForm({ route, onClose }: RouteFormProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const [form] = Form.useForm<RouteValues>();
  const errors = useFormErrors(form);
  const models = useQuery(modelsQuery);
  const save = useSaveRoute();
  const submit = async () => {
    const { name, description, scope, is_active, ...values } = await form.validateFields();
    const body = { name, description: description ?? '', targets: toTargets(values.targets), settings: toSettings(values.settings) };
    save.mutate(route ? { id: route.id, is_active, ...body } : { scope: scope ?? 'personal', ...body }, {
      onSuccess: onClose,
      onError: (error) => {
        errors.show(error);
        // The form is long, and all but the models' faults are told at its top.
        form.scrollToField(error instanceof ApiProblem && error.field === 'targets' ? ['targets', 0, 'model_config_id'] : 'name', { block: 'center' });
      },
    });
  };
  const trySubmit = () =>
    void submit().catch(() => {
      const first = form.getFieldsError().find(({ errors: faults }) => faults.length > 0);
      if (first) form.scrollToField(first.name, { block: 'center' });
    });
  return (
    <Modal
      open
      width={680}
      title={route ? t('routes.edit') : t('routes.create')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onOk={trySubmit}
      onCancel={onClose}
    >
      <QueryState query={models}>
        {() => (
          <Form
            form={form}
            layout="vertical"
            onFinish={trySubmit}
            initialValues={{
              name: route?.name,
              description: route?.description,
              scope: route?.scope ?? 'personal',
              is_active: route?.is_active ?? true,
              targets: route?.targets ?? [
                { priority: 1, weight: 1 },
                { priority: 2, weight: 1 },
              ],
              settings: fromSettings(route?.settings),
            }}
          >
            {errors.general && <Alert type="error" showIcon title={errors.general} style={{ marginBottom: 16 }} />}
            {models.data?.items.length === 0 && <Alert type="info" showIcon title={t('routes.nothing')} style={{ marginBottom: 16 }} />}
            <Form.Item
              name="name"
              label={t('routes.name')}
              extra={t('routes.nameHint')}
              rules={[{ required: true, whitespace: true, message: t('common.required') }]}
            >
              <Input maxLength={100} />
            </Form.Item>
            <Form.Item name="description" label={t('routes.description')}>
              <Input.TextArea maxLength={500} autoSize={{ minRows: 1, maxRows: 4 }} />
            </Form.Item>
            {may('organization_provider:manage') && (
              <Form.Item name="scope" label={t('routes.scope')} extra={t('routes.scopeHint')} hidden={route !== undefined}>
                <Radio.Group
                  options={[
                    { value: 'personal', label: t('routes.scopes.personal') },
                    { value: 'organization', label: t('routes.scopes.organization') },
                  ]}
                />
              </Form.Item>
            )}
            <TargetFields models={models.data?.items ?? []} route={route} />
            <SettingsFields />
            {route && (
              <Form.Item name="is_active" label={t('routes.inUse')} valuePropName="checked" extra={t('routes.inUseHint')}>
                <Switch />
              </Form.Item>
            )}
          </Form>
        )}
      </QueryState>
    </Modal>
  );
}
