import { Typography } from 'antd';
import type { ReactNode } from 'react';
import { useTitle } from '@/lib/use-title';
import styles from './page.module.css';

interface PageProps {
  title: string;
  description?: ReactNode;
  actions?: ReactNode;
  back?: ReactNode;
  children: ReactNode;
}

/** The frame of every page beside the chat: heading, what it is for, actions, content. */
export function Page({ title, description, actions, back, children }: PageProps) {
  useTitle(title);
  return (
    <div className={styles.page}>
      {back}
      <header className={styles.header}>
        <div className={styles.heading}>
          <Typography.Title level={1} className={styles.title}>
            {title}
          </Typography.Title>
          {description && <p className={styles.description}>{description}</p>}
        </div>
        {actions && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface SectionProps {
  title?: ReactNode;
  description?: ReactNode;
  extra?: ReactNode;
  children: ReactNode;
}

export function Section({ title, description, extra, children }: SectionProps) {
  return (
    <section className={styles.section}>
      {title && (
        <div className={styles.sectionHead}>
          <div>
            <h2 className={styles.sectionTitle}>{title}</h2>
            {description && <p className={styles.description}>{description}</p>}
          </div>
          {extra}
        </div>
      )}
      {children}
    </section>
  );
}
