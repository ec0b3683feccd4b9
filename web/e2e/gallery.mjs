import { checkAccessibility, checkWidth, loadTexts, openPage, preferLook, shoot } from './browser.mjs';
import { ACCOUNT } from './walk.mjs';

const PAGES = [
  'chat',
  'welcome',
  'knowledge',
  'models',
  'routes',
  'providers',
  'usage',
  'live',
  'api-keys',
  'profile',
  'profile?tab=security',
  'profile?tab=quotas',
  'profile?tab=data',
  'sign-in',
  'sign-in?error=oidc_denied',
  'register',
  'confirm-registration#token=none',
  'invitation',
  'verify-email#token=none',
  'forgot-password',
  'reset-password#token=none',
  'admin/users',
  'admin/users?tab=invitations',
  'admin/users?tab=rules',
  'admin/groups',
  'admin/roles',
  'admin/sign-in',
  'admin/provisioning',
  'admin/access',
  'admin/limits',
  'admin/audit',
  'admin/logs',
  'admin/status',
];

export const LOOKS = ['en', 'zh'].flatMap((language) =>
  ['light', 'dark'].flatMap((theme) => [1440, 390].map((width) => ({ language, theme, width }))),
);

export const lookName = ({ language, theme, width }) => `${language}-${theme}-${width}`;

/** The page before there is any account, in one look. */
export async function viewSetup(browser, server, look) {
  const { page, faults, context } = await openPage(browser, { origin: server.origin, ...look });
  await page.goto(`/setup?token=${encodeURIComponent(server.token)}`);
  await page.getByRole('button', { name: (await loadTexts(look.language))('identity.createAdmin') }).waitFor();
  await inspect(page, `${lookName(look)}-setup`);
  await context.close();
  return faults;
}

/** Every page in one look, with what the walks have left on it. */
export async function viewAll(browser, server, look) {
  const { page, faults, context } = await openPage(browser, { origin: server.origin, ...look });
  const t = await loadTexts(look.language);
  const signIn = await page.request.post('/api/v1/auth/sign-in', {
    headers: { 'X-Lyceum-Client': 'web' },
    data: { login: ACCOUNT.username, password: ACCOUNT.password },
  });
  if (!signIn.ok()) throw new Error(`Signing in answered ${signIn.status()}`);
  await preferLook(page, look);
  for (const path of PAGES) {
    await page.goto(`/${path}`);
    await settle(page, t, path);
    await inspect(page, `${lookName(look)}-${path.replace(/[^\w-]+/g, '-')}`);
  }
  for (const [name, path] of await madePages(page)) {
    await page.goto(path);
    await settle(page, t, path);
    await inspect(page, `${lookName(look)}-${name}`);
  }
  await context.close();
  return faults;
}

/** A conversation with sources and a knowledge base, as the walks made them. */
async function madePages(page) {
  const list = async (path) => (await (await page.request.get(`/api/v1/${path}`)).json()).items;
  const conversation = (await list('conversations')).find((item) => item.knowledge_base_ids.length > 0);
  const [base] = await list('knowledge-bases');
  return [
    ['conversation', `/chat/${conversation.id}`],
    ['knowledge-base', `/knowledge/${base.id}`],
  ];
}

async function settle(page, t, path) {
  await page.locator('h1').first().waitFor();
  await page.getByRole('status', { name: t('common.loading') }).first().waitFor({ state: 'detached' });
  // The live calls are a stream that never ends.
  if (path === 'live') await page.getByText(t('live.connected')).waitFor();
  else await page.waitForLoadState('networkidle');
}

async function inspect(page, name) {
  await shoot(page, name);
  await checkAccessibility(page, name);
  await checkWidth(page, name);
}
