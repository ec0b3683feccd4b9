import { PlusOutlined, SendOutlined } from '@ant-design/icons';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { Button, Tabs } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/page';
import { EntryRules } from './entry-rules';
import { InvitationForm } from './invitation-form';
import { InvitationList } from './invitation-list';
import { PeopleList } from './people-list';
import { usePermits } from '@/components/use-permits';
import { UserForm } from './user-form';

const route = getRouteApi('/shell/admin/users');

/** Who may use the platform: accounts, invitations, and the rules of getting in. */
export function UsersPage() {
  const { t } = useTranslation();
  const may = usePermits();
  const navigate = useNavigate();
  const { tab } = route.useSearch();
  const [making, setMaking] = useState<'invitation' | 'user'>();
  const invite = () => setMaking('invitation');
  const items = [
    { key: 'people', label: t('people.tabs.people'), children: <PeopleList /> },
    ...(may('user:invite')
      ? [{ key: 'invitations', label: t('people.tabs.invitations'), children: <InvitationList onInvite={invite} /> }]
      : []),
    ...(may('system:read') ? [{ key: 'rules', label: t('people.tabs.rules'), children: <EntryRules /> }] : []),
  ];
  return (
    <Page
      title={t('users.title')}
      description={t('users.intro')}
      actions={
        <>
          {may('user:write') && (
            <Button icon={<PlusOutlined />} onClick={() => setMaking('user')}>
              {t('users.create')}
            </Button>
          )}
          {may('user:invite') && (
            <Button type="primary" icon={<SendOutlined />} onClick={invite}>
              {t('invitations.create')}
            </Button>
          )}
        </>
      }
    >
      <Tabs
        activeKey={items.some((item) => item.key === tab) ? tab : 'people'}
        items={items}
        destroyOnHidden
        onChange={(key) =>
          void navigate({ to: '/admin/users', search: key === 'people' ? {} : { tab: key }, replace: true })
        }
      />
      {making === 'user' && <UserForm onClose={() => setMaking(undefined)} />}
      {making === 'invitation' && <InvitationForm onClose={() => setMaking(undefined)} />}
    </Page>
  );
}
