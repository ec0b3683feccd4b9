import styles from './logo.module.css';

export function Logo() {
  return (
    <span className={styles.logo}>
      <img src="/favicon.svg" width={26} height={26} alt="" />
      Lyceum
    </span>
  );
}
