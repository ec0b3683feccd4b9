import { Select } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Logo } from '@/components/logo';
import { applyPreferences, usePreferences } from '@/lib/preferences';
import { useTitle } from '@/lib/use-title';
import styles from './entry.module.css';

/** The frame of the pages before signing in. */
export function EntryFrame({ title, hint, children }: { title: string; hint?: string | undefined; children: ReactNode }) {
  const { t } = useTranslation();
  const { language } = usePreferences();
  useTitle(title);
  return (
    <main className={styles.frame}>
      <div className={styles.top}>
        <Logo />
        <Select
          variant="borderless"
          aria-label={t('app.language')}
          value={language}
          onChange={(value) => void applyPreferences({ language: value })}
          options={[
            { value: 'en', label: 'English' },
            { value: 'zh', label: '简体中文' },
          ]}
        />
      </div>
      <section className={styles.card}>
        <h1>{title}</h1>
        {hint && <p className={styles.hint}>{hint}</p>}
        {children}
      </section>
    </main>
  );
}
