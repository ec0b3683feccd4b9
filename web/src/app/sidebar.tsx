import { EditOutlined, LogoutOutlined, SearchOutlined, SettingOutlined, UserOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { Avatar, Dropdown, type MenuProps } from 'antd';
import { useTranslation } from 'react-i18next';
import { meQuery, savePreference, signOut } from '@/api/identity';
import { endSession } from '@/api/query-client';
import { Logo } from '@/components/logo';
import { History } from '@/features/chat/history';
import { permits } from '@/lib/permissions';
import { applyPreferences, THEMES, usePreferences } from '@/lib/preferences';
import { ADMIN_AREAS, AREAS, type Area } from './navigation';
import styles from './sidebar.module.css';

interface SidebarProps {
  onSearch: () => void;
  onNavigate: () => void;
}

export function Sidebar({ onSearch, onNavigate }: SidebarProps) {
  const { t } = useTranslation();
  const me = useQuery(meQuery);
  const permissions = me.data?.permissions ?? [];
  const visible = (areas: Area[]) =>
    areas.filter((area) => !area.permission || permits(permissions, area.permission));
  const admin = visible(ADMIN_AREAS);
  return (
    <div className={styles.sidebar}>
      <div className={styles.top}>
        <Link to="/chat" className={styles.brand} onClick={onNavigate} aria-label="Lyceum">
          <Logo />
        </Link>
      </div>
      <div className={styles.start}>
        <Link to="/chat" className={styles.newChat} onClick={onNavigate} activeOptions={{ exact: true }}>
          <EditOutlined aria-hidden />
          {t('app.newChat')}
        </Link>
        <button type="button" className={styles.search} onClick={onSearch} aria-keyshortcuts="Control+K">
          <SearchOutlined aria-hidden />
          <span>{t('app.search')}</span>
          <kbd>Ctrl K</kbd>
        </button>
      </div>
      <div className={styles.scroll}>
        <nav aria-label={t('app.areas')}>
          <AreaList areas={visible(AREAS)} onNavigate={onNavigate} />
          {admin.length > 0 && (
            <>
              <h2 className={styles.heading}>{t('app.administration')}</h2>
              <AreaList areas={admin} onNavigate={onNavigate} />
            </>
          )}
        </nav>
        <History onNavigate={onNavigate} />
      </div>
      <Profile onNavigate={onNavigate} />
    </div>
  );
}

function AreaList({ areas, onNavigate }: { areas: Area[]; onNavigate: () => void }) {
  const { t } = useTranslation();
  return (
    <ul className={styles.areas}>
      {areas.map((area) => (
        <li key={area.to}>
          <Link
            to={area.to}
            className={styles.area}
            activeProps={{ 'data-active': true }}
            onClick={onNavigate}
          >
            <span aria-hidden>{area.icon}</span>
            {t(`app.area.${area.label}`)}
          </Link>
        </li>
      ))}
    </ul>
  );
}

function Profile({ onNavigate }: { onNavigate: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const { language, theme } = usePreferences();
  const change = (key: 'language' | 'theme', value: string) => {
    void applyPreferences({ [key]: value });
    // The browser keeps it too; a failure here costs nothing but the next device.
    void savePreference(key, value).catch(() => undefined);
  };
  const items: MenuProps['items'] = [
    { key: 'profile', icon: <SettingOutlined />, label: t('app.profile'), onClick: () => {
      onNavigate();
      void navigate({ to: '/profile' });
    } },
    { type: 'divider' },
    {
      key: 'theme',
      type: 'group',
      label: t('app.theme'),
      children: THEMES.map((value) => ({
        key: `theme-${value}`,
        label: t(`app.themes.${value}`),
        onClick: () => change('theme', value),
      })),
    },
    {
      key: 'language',
      type: 'group',
      label: t('app.language'),
      children: [
        { key: 'language-en', label: 'English', onClick: () => change('language', 'en') },
        { key: 'language-zh', label: '简体中文', onClick: () => change('language', 'zh') },
      ],
    },
    { type: 'divider' },
    {
      key: 'sign-out',
      icon: <LogoutOutlined />,
      label: t('app.signOut'),
      onClick: () => void leave(),
    },
  ];
  const leave = async () => {
    const left = await signOut().catch(() => undefined);
    endSession();
    // The issuer has a session of its own.
    if (left) return location.assign(left.redirect_to);
    await navigate({ to: '/sign-in', search: {} });
  };
  const name = me?.display_name ?? me?.username ?? '';
  return (
    <Dropdown
      menu={{ items, selectable: true, selectedKeys: [`theme-${theme}`, `language-${language}`] }}
      trigger={['click']}
      placement="topLeft"
    >
      <button type="button" className={styles.profile}>
        <Avatar size={30} src={me?.avatar_url} alt="" icon={<UserOutlined />} className={styles.avatar} />
        <span className={styles.who}>
          <strong>{name}</strong>
          <small>{me?.email}</small>
        </span>
      </button>
    </Dropdown>
  );
}
