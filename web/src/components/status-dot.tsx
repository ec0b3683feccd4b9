import type { ReactNode } from 'react';
import styles from './status-dot.module.css';

export type Tone = 'ok' | 'busy' | 'bad' | 'off';

/** A coloured dot with words: the colour never says it alone. */
export function StatusDot({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={styles.status}>
      <span className={`${styles.dot} ${styles[tone]}`} aria-hidden />
      {children}
    </span>
  );
}
