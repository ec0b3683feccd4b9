import { DownloadOutlined } from '@ant-design/icons';
import { Button, Dropdown } from 'antd';
import { useTranslation } from 'react-i18next';
import type { CallFilter } from '@/api/gateway';
import { usageExportUrl } from '@/api/traffic';

/** Downloads the calls that the page is about. */
export function UsageExport({ filter }: { filter: CallFilter }) {
  const { t } = useTranslation();
  const link = (format: 'csv' | 'jsonl') => ({
    key: format,
    label: (
      <a href={usageExportUrl(filter, format)} download>
        {t(`spend.formats.${format}`)}
      </a>
    ),
  });
  return (
    <Dropdown trigger={['click']} menu={{ items: [link('csv'), link('jsonl')] }}>
      <Button icon={<DownloadOutlined />}>{t('spend.export')}</Button>
    </Dropdown>
  );
}
