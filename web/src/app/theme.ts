import { theme, type ThemeConfig } from 'antd';

const FONT =
  "Inter, -apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', 'PingFang SC', 'Hiragino Sans GB', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif";

/** Ant Design's defaults, with the colours that miss WCAG AA contrast made stronger. */
export function antdTheme(dark: boolean, motion: boolean): ThemeConfig {
  return {
    cssVar: { prefix: 'ant', key: 'lyceum' },
    hashed: false,
    algorithm: dark ? theme.darkAlgorithm : theme.defaultAlgorithm,
    token: {
      motion,
      colorPrimary: dark ? '#8f8fff' : '#4f46e5',
      colorLink: dark ? '#a5b4fc' : '#4338ca',
      colorInfo: dark ? '#7c7cf8' : '#4f46e5',
      colorError: dark ? '#f16a6f' : '#c62a2f',
      colorSuccess: dark ? '#4cc38a' : '#18794e',
      colorWarning: dark ? '#f1a10d' : '#ad5700',
      borderRadius: 9,
      fontFamily: FONT,
      fontSize: 14,
      ...(dark ? DARK : LIGHT),
    },
    components: {
      Button: { primaryShadow: 'none', defaultShadow: 'none', dangerShadow: 'none', fontWeight: 500, ...(dark ? { primaryColor: '#0f1020', dangerColor: '#12090a' } : {}) },
      // The dark algorithm makes it too dim for the words beside a field.
      Form: dark ? { colorError: '#f5898d' } : {},
      Table: { headerBg: 'transparent', cellPaddingBlock: 12 },
      Tag: { defaultBg: dark ? '#26282d' : '#eef0f3' },
    },
  };
}

// The hover colours that Ant Design derives are too pale for text on white.
const LIGHT = {
  colorPrimaryHover: '#4338ca',
  colorLinkHover: '#3730a3',
  colorErrorHover: '#a92328',
  // Derived from the strong colours above, these would be muddy.
  colorSuccessBg: '#ecf8f1',
  colorSuccessBorder: '#b7e0c8',
  colorWarningBg: '#fff7e6',
  colorWarningBorder: '#f5d9a6',
  colorBgLayout: '#f7f7f9',
  colorText: '#1c1d21',
  colorTextSecondary: '#50535c',
  colorTextTertiary: '#646871',
  colorTextQuaternary: '#6f737c',
  colorTextPlaceholder: '#6b6f78',
  colorTextDescription: '#5c6069',
  colorTextDisabled: '#85888f',
  colorBorder: '#d5d7dd',
  colorBorderSecondary: '#e8e9ed',
};

const DARK = {
  colorPrimaryHover: '#a9a9ff',
  colorLinkHover: '#c7d2fe',
  colorErrorHover: '#ff8f93',
  colorBgBase: '#131417',
  colorBgLayout: '#0f1012',
  colorBgContainer: '#17181c',
  colorBgElevated: '#1f2126',
  colorText: '#ececf1',
  colorTextSecondary: '#b4b7c0',
  colorTextTertiary: '#a0a3ad',
  colorTextQuaternary: '#9497a1',
  colorTextPlaceholder: '#999ca6',
  colorTextDescription: '#a6a9b3',
  colorBorder: '#3a3d45',
  colorBorderSecondary: '#2a2c32',
};
