import { useQuery } from '@tanstack/react-query';
import { Alert, Checkbox, Form, Input, Modal, Switch } from 'antd';
import { useTranslation } from 'react-i18next';
import { rolesQuery, useSaveIssuer, type IssuerInput } from '@/api/access';
import { allGroupsQuery } from '@/api/people';
import type { OidcProvider } from '@/api/types';
import { useFormErrors } from '@/lib/use-form-errors';
import styles from './admin.module.css';
import { fromPairs, MappingFields, toPairs, type Pair } from './mapping-fields';
import { usePermits } from '@/components/use-permits';

type FormValues = Omit<IssuerInput, 'roles' | 'groups'> & { roles?: Pair[]; groups?: Pair[]; remove_secret?: boolean };

export function IssuerForm({ issuer, onClose }: { issuer: OidcProvider | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const may = usePermits();
  const [form] = Form.useForm<FormValues>();
  const errors = useFormErrors(form);
  const removing = Form.useWatch('remove_secret', form);
  const save = useSaveIssuer();
  const roles = useQuery({ ...rolesQuery, enabled: may('role:read') });
  const groups = useQuery({ ...allGroupsQuery, enabled: may('group:read') });
  const submit = async () => {
    const { roles: roleMap, groups: groupMap, client_secret, remove_secret, issuer: address, ...rest } =
      await form.validateFields();
    // An empty secret keeps the stored one, so removing it is said apart.
    const secret = remove_secret ? { client_secret: '' } : client_secret ? { client_secret } : {};
    save.mutate(
      {
        ...rest,
        ...secret,
        ...(issuer ? { id: issuer.id } : { issuer: address }),
        roles: fromPairs(roleMap),
        groups: fromPairs(groupMap),
      },
      { onSuccess: onClose, onError: errors.show },
    );
  };
  const required = { required: true, whitespace: true, message: t('common.required') };
  const toggle = (name: 'allow_sign_up' | 'trust_second_factor' | 'is_active', label: string, hint?: string) => (
    <Form.Item name={name} label={label} extra={hint} valuePropName="checked">
      <Switch />
    </Form.Item>
  );
  return (
    <Modal
      open
      width={640}
      title={issuer ? t('signInProviders.edit') : t('signInProviders.create')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onOk={() => void submit().catch(() => undefined)}
      onCancel={onClose}
    >
      {errors.general && <Alert type="error" showIcon title={errors.general} className={styles.alert} />}
      <Form form={form} layout="vertical" initialValues={initial(issuer)}>
        <Form.Item name="name" label={t('signInProviders.name')} extra={t('signInProviders.nameHint')} rules={[required]}>
          <Input maxLength={100} autoFocus />
        </Form.Item>
        <Form.Item
          name="issuer"
          label={t('signInProviders.issuer')}
          extra={issuer ? t('signInProviders.issuerFixed') : t('signInProviders.issuerHint')}
          rules={[required]}
        >
          <Input maxLength={500} inputMode="url" placeholder="https://" disabled={issuer !== undefined} />
        </Form.Item>
        <Form.Item name="client_id" label={t('signInProviders.clientId')} rules={[required]}>
          <Input maxLength={255} autoComplete="off" />
        </Form.Item>
        <Form.Item
          name="client_secret"
          label={t('signInProviders.secret')}
          extra={issuer?.has_client_secret ? t('signInProviders.secretKept') : t('signInProviders.secretHint')}
        >
          <Input.Password maxLength={2048} autoComplete="new-password" disabled={removing === true} />
        </Form.Item>
        {issuer?.has_client_secret && (
          <Form.Item name="remove_secret" valuePropName="checked">
            <Checkbox>{t('signInProviders.secretRemove')}</Checkbox>
          </Form.Item>
        )}
        <Form.Item name="scopes" label={t('signInProviders.scopes')} extra={t('signInProviders.scopesHint')} rules={[required]}>
          <Input maxLength={500} spellCheck={false} />
        </Form.Item>
        <Form.Item
          name="groups_claim"
          label={t('signInProviders.groupsClaim')}
          extra={t('signInProviders.groupsClaimHint')}
          rules={[required]}
        >
          <Input maxLength={200} spellCheck={false} />
        </Form.Item>
        <MappingFields
          name="roles"
          label={t('signInProviders.roleMap')}
          to={t('users.roles')}
          options={(roles.data?.items ?? []).map((role) => role.name)}
        />
        <MappingFields
          name="groups"
          label={t('signInProviders.groupMap')}
          to={t('people.groups')}
          options={(groups.data ?? []).map((group) => group.name)}
        />
        {toggle('allow_sign_up', t('signInProviders.allowSignUp'), t('signInProviders.allowSignUpHint'))}
        {toggle('trust_second_factor', t('signInProviders.trust'), t('signInProviders.trustHint'))}
        {toggle('is_active', t('signInProviders.active'))}
      </Form>
    </Modal>
  );
}

function initial(issuer: OidcProvider | undefined): Partial<FormValues> {
  if (!issuer) {
    return {
      scopes: 'openid profile email',
      groups_claim: 'groups',
      roles: [],
      groups: [],
      allow_sign_up: false,
      trust_second_factor: false,
      is_active: true,
    };
  }
  const { name, issuer: address, client_id, scopes, groups_claim, allow_sign_up, trust_second_factor, is_active } = issuer;
  return {
    name,
    issuer: address,
    client_id,
    scopes,
    groups_claim,
    roles: toPairs(issuer.roles),
    groups: toPairs(issuer.groups),
    allow_sign_up,
    trust_second_factor,
    is_active,
  };
}
