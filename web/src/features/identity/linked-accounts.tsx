import { LinkOutlined, PlusOutlined } from '@ant-design/icons';
import { useMutation, useQuery } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { linkedAccountsQuery, startLink, useUnlink } from '@/api/account';
import { methodsQuery } from '@/api/entry';
import type { OidcAccount } from '@/api/types';
import { Section } from '@/components/page';
import { QueryState } from '@/components/states';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { useConfirmed, useTellFailure } from './confirm-identity';
import styles from './profile.module.css';

/** Accounts at issuers that sign in here; nothing where there is no issuer. */
export function LinkedAccounts() {
  const { t } = useTranslation();
  const confirmed = useConfirmed();
  const tellFailure = useTellFailure();
  const query = useQuery(linkedAccountsQuery);
  const { data: methods } = useQuery(methodsQuery);
  const link = useMutation({
    mutationFn: (provider: string) => confirmed(() => startLink(provider, '/profile?tab=security')),
    onSuccess: ({ redirect_to }) => location.assign(redirect_to),
    onError: tellFailure,
  });
  const accounts = query.data?.items ?? [];
  const providers = methods?.providers ?? [];
  if (providers.length === 0 && accounts.length === 0) return null;
  return (
    <Section title={t('linked.title')} description={t('linked.hint')}>
      <QueryState query={query}>
        {() =>
          accounts.length === 0 ? (
            <p className={styles.none}>{t('linked.empty')}</p>
          ) : (
            <ul className={styles.list}>
              {accounts.map((account) => (
                <AccountRow key={account.id} account={account} />
              ))}
            </ul>
          )
        }
      </QueryState>
      <div className={styles.links}>
        {providers
          .filter(({ id }) => !accounts.some((account) => account.provider_id === id))
          .map(({ id, name }) => (
            <Button
              key={id}
              icon={<PlusOutlined />}
              loading={link.isPending && link.variables === id}
              onClick={() => link.mutate(id)}
            >
              {t('linked.add', { name })}
            </Button>
          ))}
      </div>
    </Section>
  );
}

function AccountRow({ account }: { account: OidcAccount }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { modal, message: toast } = App.useApp();
  const unlink = useUnlink();
  const ask = () =>
    void modal.confirm({
      title: t('linked.unlinkTitle'),
      content: t('linked.unlinkHint', { name: account.provider }),
      okText: t('linked.unlink'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => unlink.mutateAsync(account.id).catch((error: unknown) => void toast.error(describe(error))),
    });
  const facts = [account.email, t('linked.since', { date: format.date(account.created_at) })];
  return (
    <li>
      <LinkOutlined aria-hidden />
      <span className={styles.what}>
        <span>{account.provider}</span>
        <small>{facts.filter(Boolean).join(' · ')}</small>
      </span>
      <Button size="small" danger onClick={ask}>
        {t('linked.unlink')}
      </Button>
    </li>
  );
}
