import { QueryClientProvider } from '@tanstack/react-query';
import { App, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { useEffect, type ReactNode } from 'react';
import { queryClient } from '@/api/query-client';
import { useDark, usePreferences } from '@/lib/preferences';
import { useMedia } from '@/lib/use-media';
import { antdTheme } from './theme';

export function Providers({ children }: { children: ReactNode }) {
  const dark = useDark();
  const still = useMedia('(prefers-reduced-motion: reduce)');
  const { language } = usePreferences();
  useEffect(() => {
    document.documentElement.dataset['theme'] = dark ? 'dark' : 'light';
  }, [dark]);
  return (
    <QueryClientProvider client={queryClient}>
      <ConfigProvider
        theme={antdTheme(dark, !still)}
        locale={language === 'zh' ? zhCN : enUS}
        button={{ autoInsertSpace: false }}
        // The wave around what was pressed does not ask whether there is to be motion.
        wave={{ disabled: still }}
      >
        <App>{children}</App>
      </ConfigProvider>
    </QueryClientProvider>
  );
}
