import { checkAccessibility, checkWidth, loadTexts, openPage, shoot, switchTheme } from './browser.mjs';
import { signInBeside } from './walk.mjs';

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

/** How pages are loaded; each is seen in the other theme, too. */
export const LOOKS = [
  { language: 'en', theme: 'light' },
  { language: 'zh', theme: 'dark' },
].flatMap((look) => [1440, 390].map((width) => ({ ...look, width })));

const OTHER_THEME = { light: 'dark', dark: 'light' };

export const lookName = ({ language, theme, width }) => `${language}-${theme}-${width}`;

/** The page before there is any account. */
export async function viewSetup(browser, server, look) {
  const view = { ...look, ...(await openPage(browser, { origin: server.origin, ...look })) };
  await view.page.goto(`/setup?token=${encodeURIComponent(server.token)}`);
  await view.page.getByRole('button', { name: (await loadTexts(look.language))('identity.createAdmin') }).waitFor();
  await inspect(view, 'setup');
  await view.context.close();
  return view.faults;
}

/** Every page, with what the walks have left on it. */
export async function viewAll(browser, server, look) {
  const view = { ...look, ...(await openPage(browser, { origin: server.origin, ...look })) };
  const t = await loadTexts(look.language);
  await signInBeside(view.page);
  const pages = PAGES.map((path) => [path.replace(/[^\w-]+/g, '-'), `/${path}`]);
  for (const [name, path] of [...pages, ...(await madePages(view.page))]) {
    await view.page.goto(path);
    await settle(view, t, path);
    await inspect(view, name);
  }
  await view.context.close();
  return view.faults;
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

async function settle({ page, rest }, t, path) {
  await page.locator('h1').first().waitFor();
  await page.getByRole('status', { name: t('common.loading') }).first().waitFor({ state: 'detached' });
  if (path === '/live') await page.getByText(t('live.connected')).waitFor();
  await rest();
}

/** Looks at a page in both themes. The second is that of the next page, so half of them are loaded in it. */
async function inspect(view, name) {
  await inspectOnce(view, name);
  view.theme = OTHER_THEME[view.theme];
  await switchTheme(view.page, view.theme);
  await view.rest();
  await inspectOnce(view, name);
}

async function inspectOnce({ page, ...look }, name) {
  const seen = `${lookName(look)}-${name}`;
  await shoot(page, seen);
  await checkAccessibility(page, seen);
  await checkWidth(page, seen);
}
