import { BookOutlined, PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button, Checkbox, Popover, Skeleton } from 'antd';
import { useTranslation } from 'react-i18next';
import { knowledgeBasesQuery } from '@/api/knowledge';
import { LoadMore } from '@/components/states';
import styles from './chat.module.css';

interface KnowledgePickerProps {
  value: string[];
  onChange: (ids: string[]) => void;
}

/** Chooses the knowledge bases in which an answer is looked for. */
export function KnowledgePicker({ value, onChange }: KnowledgePickerProps) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(knowledgeBasesQuery);
  const bases = query.data?.pages.flatMap((page) => page.items) ?? [];
  // A base that was deleted since must still be possible to take away.
  const gone = query.isSuccess && !query.hasNextPage ? value.filter((id) => !bases.some((base) => base.id === id)) : [];
  const names = bases.filter((base) => value.includes(base.id)).map((base) => base.name);
  const content = (
    <div className={styles.bases} role="group" aria-label={t('chat.knowledge')}>
      {query.isPending && <Skeleton active title={false} />}
      {query.isSuccess && bases.length === 0 && <p className={styles.hint}>{t('chat.noBases')}</p>}
      {bases.map((base) => (
        <Checkbox
          key={base.id}
          checked={value.includes(base.id)}
          onChange={(event) =>
            onChange(event.target.checked ? [...value, base.id] : value.filter((id) => id !== base.id))
          }
        >
          {base.name}
        </Checkbox>
      ))}
      {gone.map((id) => (
        <Checkbox key={id} checked onChange={() => onChange(value.filter((other) => other !== id))}>
          {t('chat.deletedBase')}
        </Checkbox>
      ))}
      <LoadMore query={query} />
      <Link to="/knowledge" className={styles.manage}>
        <PlusOutlined aria-hidden /> {t('chat.manageBases')}
      </Link>
    </div>
  );
  const label = names.length > 0 ? names.join(', ') : t('chat.knowledge');
  return (
    <Popover trigger="click" placement="topLeft" title={t('chat.knowledgeTitle')} content={content}>
      <Button
        type="text"
        icon={<BookOutlined />}
        className={value.length > 0 ? styles.attached : undefined}
      >
        <span className={styles.ellipsis}>{label}</span>
      </Button>
    </Popover>
  );
}
