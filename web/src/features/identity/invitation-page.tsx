import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Alert, Button, Descriptions, Form, Result, Skeleton, Tag } from 'antd';
import { useTranslation } from 'react-i18next';
import { invitationQuery, useAcceptInvitation, type Acceptance } from '@/api/entry';
import type { InvitationView } from '@/api/types';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { AccountFields } from './account-fields';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';
import { IncompleteLink } from './link-pages';
import { useFormErrors } from '@/lib/use-form-errors';
import { useHashToken } from './use-link-token';

/** Shows who invites to what, and makes the invited person's account. */
export function InvitationPage() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const token = useHashToken('token');
  const query = useQuery({ ...invitationQuery(token ?? ''), enabled: token !== undefined });
  if (token === undefined) return <IncompleteLink title={t('invited.title')} />;
  if (query.isError) {
    return (
      <EntryFrame title={t('invited.title')}>
        <Result
          className={styles.result}
          status="warning"
          subTitle={describe(query.error)}
          extra={<Link to="/sign-in">{t('entry.toSignIn')}</Link>}
        />
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={t('invited.title')} hint={query.data && t('invited.by', { name: query.data.invited_by })}>
      {query.data ? <AcceptForm key={token} token={token} invitation={query.data} /> : <Skeleton active />}
    </EntryFrame>
  );
}

function AcceptForm({ token, invitation }: { token: string; invitation: InvitationView }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const accept = useAcceptInvitation();
  const [form] = Form.useForm<Acceptance>();
  const errors = useFormErrors(form);
  const submit = ({ username, email, password, display_name }: Acceptance) => {
    errors.clear();
    accept.mutate(
      {
        token,
        username: username.trim(),
        password,
        ...(email ? { email: email.trim() } : {}),
        ...(display_name?.trim() ? { display_name: display_name.trim() } : {}),
      },
      { onSuccess: () => void navigate({ to: '/', replace: true }), onError: errors.show },
    );
  };
  const tags = (names: string[]) => names.map((name) => <Tag key={name}>{name}</Tag>);
  return (
    <>
      <Descriptions
        className={styles.facts}
        column={1}
        size="small"
        items={[
          ...(invitation.email ? [{ key: 'email', label: t('identity.email'), children: invitation.email }] : []),
          ...(invitation.roles.length > 0 ? [{ key: 'roles', label: t('invited.roles'), children: tags(invitation.roles) }] : []),
          ...(invitation.groups.length > 0 ? [{ key: 'groups', label: t('invited.groups'), children: tags(invitation.groups) }] : []),
        ]}
      />
      {errors.general && <Alert className={styles.alert} type="error" showIcon title={errors.general} />}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={submit}>
        <AccountFields email={!invitation.email} />
        <Button type="primary" size="large" block htmlType="submit" loading={accept.isPending}>
          {t('invited.create')}
        </Button>
      </Form>
      <p className={styles.foot}>{t('invited.expires', { date: format.dateTime(invitation.expires_at) })}</p>
    </>
  );
}
