import { Link, type ErrorComponentProps } from '@tanstack/react-router';
import { Button, Result } from 'antd';
import { useTranslation } from 'react-i18next';
import { useDescribe } from '@/lib/use-describe';

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Result
      status="404"
      title={t('app.notFound')}
      subTitle={t('app.notFoundHint')}
      extra={<Link to="/chat">{t('app.toChat')}</Link>}
    />
  );
}

export function Crash({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  return (
    <Result
      status="error"
      title={t('app.crashed')}
      subTitle={describe(error)}
      extra={
        <Button type="primary" onClick={reset}>
          {t('common.retry')}
        </Button>
      }
    />
  );
}
