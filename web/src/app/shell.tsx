import { MenuOutlined, PlusOutlined } from '@ant-design/icons';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { Button, Drawer } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Logo } from '@/components/logo';
import { useNarrow } from '@/lib/use-media';
import { QuotaNotice } from './quota-notice';
import styles from './shell.module.css';
import { Sidebar } from './sidebar';

const Palette = lazy(() => import('./palette'));

/** The frame of the signed-in app: sidebar, page, command palette. */
export function Shell() {
  const { t } = useTranslation();
  const narrow = useNarrow();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [menuOpenAt, setMenuOpenAt] = useState<string>();
  const [palette, setPalette] = useState(false);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setPalette((open) => !open);
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);

  const sidebar = (
    <Sidebar
      onSearch={() => {
        setMenuOpenAt(undefined);
        setPalette(true);
      }}
      onNavigate={() => setMenuOpenAt(undefined)}
    />
  );
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#main">
        {t('app.skip')}
      </a>
      {narrow ? (
        <>
          <header className={styles.topbar}>
            <Button
              type="text"
              icon={<MenuOutlined />}
              aria-label={t('app.menu')}
              onClick={() => setMenuOpenAt(path)}
            />
            <Link to="/chat" className={styles.brand} aria-label="Lyceum">
              <Logo />
            </Link>
            <Button
              type="text"
              icon={<PlusOutlined />}
              aria-label={t('app.newChat')}
              onClick={() => void navigate({ to: '/chat' })}
            />
          </header>
          <Drawer
            placement="left"
            size={300}
            open={menuOpenAt === path}
            onClose={() => setMenuOpenAt(undefined)}
            closable={false}
            aria-label={t('app.menu')}
            styles={{ body: { padding: 0 } }}
          >
            {sidebar}
          </Drawer>
        </>
      ) : (
        <div className={styles.side}>{sidebar}</div>
      )}
      <div className={styles.content}>
        <QuotaNotice />
        <main id="main" className={styles.main} tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <Suspense>{palette && <Palette onClose={() => setPalette(false)} />}</Suspense>
    </div>
  );
}
