import { DeleteOutlined, EditOutlined } from '@ant-design/icons';
import { Button } from 'antd';
import { useTranslation } from 'react-i18next';

/** Change and take away, at the end of a row. */
export function RowButtons({ name, onEdit, onDelete }: { name: string; onEdit: () => void; onDelete: () => void }) {
  const { t } = useTranslation();
  return (
    <>
      <Button type="text" icon={<EditOutlined />} aria-label={t('common.editNamed', { name })} onClick={onEdit} />
      <Button type="text" icon={<DeleteOutlined />} aria-label={t('common.deleteNamed', { name })} onClick={onDelete} />
    </>
  );
}
