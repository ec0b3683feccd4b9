import { Avatar } from 'antd';
import type { ReactNode } from 'react';
import styles from './admin.module.css';

export interface Named {
  username: string;
  display_name?: string | null;
  avatar_url?: string | null;
}

export const nameOf = (person: Named) => person.display_name || person.username;

/** A person with their picture, or the first letter of their name. */
export function Person({ person, note, size = 34 }: { person: Named; note?: ReactNode; size?: number }) {
  return (
    <span className={styles.person}>
      <Avatar size={size} className={styles.avatar} src={person.avatar_url ?? undefined} alt="" aria-hidden>
        {nameOf(person).slice(0, 1).toUpperCase()}
      </Avatar>
      <span className={styles.name}>
        <strong>{nameOf(person)}</strong>
        <small>{note ?? person.username}</small>
      </span>
    </span>
  );
}
