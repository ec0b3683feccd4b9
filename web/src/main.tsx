import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Providers } from '@/app/providers';
import { router } from '@/app/router';
import '@/app/global.css';
import { showLanguage } from '@/lib/i18n';
import { getPreferences } from '@/lib/preferences';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root.');

await showLanguage(getPreferences().language);
createRoot(root).render(
  <StrictMode>
    <Providers>
      <RouterProvider router={router} />
    </Providers>
  </StrictMode>,
);
