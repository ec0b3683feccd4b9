import { Alert, App, Button } from 'antd';
import { useTranslation } from 'react-i18next';
import { useConfirmOidcLink } from '@/api/entry';
import { useDescribe } from '@/lib/use-describe';
import { EntryFrame } from './entry-frame';
import styles from './entry.module.css';

/** After signing in: whether the account at the issuer is to sign in here from now on. */
export function LinkStep({ token, onDone }: { token: string; onDone: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const link = useConfirmOidcLink();
  return (
    <EntryFrame title={t('linkStep.title')} hint={t('linkStep.hint')}>
      {link.isError && <Alert className={styles.alert} type="error" showIcon title={describe(link.error)} />}
      <div className={styles.ways}>
        <Button
          type="primary"
          size="large"
          block
          disabled={link.isError}
          loading={link.isPending}
          onClick={() =>
            link.mutate(token, {
              onSuccess: () => {
                void toast.success(t('linkStep.linked'));
                onDone();
              },
            })
          }
        >
          {t('linkStep.link')}
        </Button>
        <Button size="large" block onClick={onDone}>
          {link.isError ? t('enrolment.toApp') : t('linkStep.skip')}
        </Button>
      </div>
    </EntryFrame>
  );
}
