import { useTranslation } from 'react-i18next';
import styles from './ops.module.css';
import { changes, type Values } from './changes';

function show(value: unknown): string {
  if (value === undefined) return '—';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a change did, value by value. */
export function ValueDiff({ before, after }: { before?: Values; after?: Values }) {
  const { t } = useTranslation();
  return (
    <table className={styles.diff}>
      <thead>
        <tr>
          <th scope="col">{t('audit.field')}</th>
          <th scope="col">{t('audit.before')}</th>
          <th scope="col">{t('audit.after')}</th>
        </tr>
      </thead>
      <tbody>
        {changes(before, after).map(({ field, old, now }) => (
          <tr key={field}>
            <th scope="row">{field}</th>
            <td data-side="old">{show(old)}</td>
            <td data-side="new">{show(now)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
