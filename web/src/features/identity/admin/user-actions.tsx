import { Link } from '@tanstack/react-router';
import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useDeleteUser, useMakeLink, useResetSecondFactors } from '@/api/people';
import type { MadeLink, User } from '@/api/types';
import styles from './admin.module.css';
import { nameOf } from './person';
import { SecretLink } from './secret-link';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';

interface UserActionsProps {
  user: User;
  /** Whether it is the account of whoever looks. */
  own: boolean;
  onGone: () => void;
}

const LINKS = ['password-reset', 'email-verification'] as const;

/** Help for somebody who can't get in, and the end of an account. */
export function UserActions({ user, own, onGone }: UserActionsProps) {
  const { t } = useTranslation();
  const may = usePermits();
  const { said, confirm } = useAct();
  const makeLink = useMakeLink();
  const reset = useResetSecondFactors();
  const remove = useDeleteUser();
  const [made, setMade] = useState<MadeLink>();
  const name = nameOf(user);
  const askReset = () =>
    confirm({
      title: t('people.resetFactors'),
      content: t('people.resetFactorsHint', { name }),
      okText: t('people.resetFactors'),
      act: () => reset.mutateAsync(user.id).then(said(t('people.resetFactorsDone')).onSuccess),
    });
  const askDelete = () =>
    confirm({
      title: t('people.delete'),
      content: t('people.deleteHint', { name }),
      okText: t('common.delete'),
      act: () => remove.mutateAsync(user.id).then(onGone),
    });
  return (
    <section className={styles.part}>
      <h3>{t('people.signIn')}</h3>
      <div className={styles.buttons}>
        {may('user:write') &&
          LINKS.filter((kind) => kind === 'password-reset' || !user.email_verified).map((kind) => (
            <Button
              key={kind}
              loading={makeLink.isPending && makeLink.variables.kind === kind}
              onClick={() =>
                makeLink.mutate({ id: user.id, kind }, { onSuccess: setMade, onError: said().onError })
              }
            >
              {t(`people.link.${kind}`)}
            </Button>
          ))}
        {may('user:write') && !own && <Button onClick={askReset}>{t('people.resetFactors')}</Button>}
        {may('access:explain') && (
          <Link to="/admin/access" search={{ user: user.username }}>
            <Button tabIndex={-1}>{t('people.explain')}</Button>
          </Link>
        )}
        {may('user:delete') && !own && (
          <Button danger onClick={askDelete}>
            {t('people.delete')}
          </Button>
        )}
      </div>
      {made && (
        <SecretLink
          title={t('people.linkMade')}
          link={made.link}
          once={t('people.linkOnce')}
          mailed={t('people.linkMailed', { email: user.email })}
          onClose={() => setMade(undefined)}
        />
      )}
    </section>
  );
}
