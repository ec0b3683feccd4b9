import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { Skeleton, Tabs } from 'antd';
import { useTranslation } from 'react-i18next';
import { meQuery } from '@/api/identity';
import type { Me } from '@/api/types';
import { Page, Section } from '@/components/page';
import { permits } from '@/lib/permissions';
import { AccountForm } from './account-form';
import { Appearance } from './appearance';
import { AvatarEditor } from './avatar-editor';
import { ChatDefaults } from './chat-defaults';
import { ConfirmIdentity } from './confirm-identity';
import { DeleteAccount } from './delete-account';
import { EmailState } from './email-state';
import { ExportList } from './export-list';
import { LinkedAccounts } from './linked-accounts';
import { PasskeyList } from './passkey-list';
import { PasswordForm } from './password-form';
import { QuotaList } from './quota-list';
import { SecondFactorList } from './second-factor-list';
import { SessionList } from './session-list';
import { SignOutElsewhere } from './sign-out-elsewhere';

const route = getRouteApi('/shell/profile');

export function ProfilePage() {
  const { t } = useTranslation();
  const { tab } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: me } = useQuery(meQuery);
  const quotas = permits(me?.permissions ?? [], 'usage:read');
  return (
    <Page title={t('profile.title')} description={t('profile.intro')}>
      <Tabs
        activeKey={tab ?? 'profile'}
        onChange={(key) => void navigate({ search: key === 'profile' ? {} : { tab: key }, replace: true })}
        destroyOnHidden
        items={[
          { key: 'profile', label: t('myProfile.tabs.profile'), children: me ? <ProfileTab me={me} /> : <Skeleton active /> },
          { key: 'security', label: t('myProfile.tabs.security'), children: <SecurityTab /> },
          ...(quotas ? [{ key: 'quotas', label: t('myProfile.tabs.quotas'), children: <QuotaList /> }] : []),
          { key: 'data', label: t('myProfile.tabs.data'), children: <DataTab /> },
        ]}
      />
    </Page>
  );
}

function ProfileTab({ me }: { me: Me }) {
  const { t } = useTranslation();
  return (
    <>
      <Section title={t('myProfile.avatar')}>
        <AvatarEditor me={me} />
      </Section>
      <Section title={t('profile.account')}>
        <EmailState me={me} />
        <AccountForm me={me} />
      </Section>
      <Section title={t('profile.appearance')}>
        <Appearance />
      </Section>
      <Section title={t('myProfile.chats')} description={t('myProfile.chatsHint')}>
        <ChatDefaults />
      </Section>
    </>
  );
}

function SecurityTab() {
  const { t } = useTranslation();
  return (
    <ConfirmIdentity>
      <Section title={t('profile.password')} description={t('security.passwordHint')}>
        <PasswordForm />
      </Section>
      <Section title={t('security.factors')} description={t('security.factorsHint')}>
        <SecondFactorList />
      </Section>
      <PasskeyList />
      <LinkedAccounts />
      <Section title={t('profile.sessions')} description={t('profile.sessionsHint')} extra={<SignOutElsewhere />}>
        <SessionList />
      </Section>
    </ConfirmIdentity>
  );
}

function DataTab() {
  const { t } = useTranslation();
  return (
    <>
      <ExportList />
      <Section title={t('myData.delete')} description={t('myData.deleteHint')}>
        <DeleteAccount />
      </Section>
    </>
  );
}
