import { useQuery } from '@tanstack/react-query';
import { App, Button, Popconfirm } from 'antd';
import { useTranslation } from 'react-i18next';
import { useRevokeOtherSessions } from '@/api/account';
import { sessionsQuery } from '@/api/identity';
import { useDescribe } from '@/lib/use-describe';

export function SignOutElsewhere() {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const { data: sessions } = useQuery(sessionsQuery);
  const revoke = useRevokeOtherSessions();
  if (!sessions?.items.some((session) => !session.current)) return null;
  return (
    <Popconfirm
      title={t('mySessions.everywhere')}
      description={t('mySessions.everywhereHint')}
      okText={t('app.signOut')}
      cancelText={t('common.cancel')}
      onConfirm={() =>
        revoke.mutate(undefined, {
          onSuccess: () => void toast.success(t('mySessions.everywhereDone')),
          onError: (error) => void toast.error(describe(error)),
        })
      }
    >
      <Button loading={revoke.isPending}>{t('mySessions.everywhere')}</Button>
    </Popconfirm>
  );
}
