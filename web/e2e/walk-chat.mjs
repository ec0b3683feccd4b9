import { createServer } from 'vite';
import { fileURLToPath } from 'node:url';
import { checkAccessibility, checkWidth, loadTexts, openPage, shoot } from './browser.mjs';
import { answer, answered, signInBeside } from './walk.mjs';

/** A mark in the text leads to its passage, and copied text has none. */
async function readMarks({ page, t, name }) {
  const reply = answer(page, 'completed').first();
  const mark = reply.locator('sup button').first();
  const number = await mark.innerText();
  const sources = reply.getByRole('group', { name: t('chat.sources') });
  await sources.getByRole('button').filter({ hasText: number }).first().waitFor();
  await mark.click();
  await page.locator('mark').waitFor();
  await shoot(page, `${name}-mark`);
  await page.getByRole('button', { name: t('common.close') }).first().click();
  // As a person copies: the whole answer, selected.
  const copied = await reply.evaluate((article) => {
    window.getSelection().selectAllChildren(article.querySelector('p'));
    return window.getSelection().toString();
  });
  if (/\d\s*$/.test(copied.trim())) throw new Error(`a mark was copied: ${copied}`);
  await page.reload();
  await answer(page, 'completed').first().locator('sup button').first().waitFor();
}

/** What the documents do not say is not made up. */
async function askWhatIsNotThere({ page, t, name, unanswered }) {
  const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
  await composer.fill(unanswered);
  await composer.press('Enter');
  await answered(page, 1);
  const refusal = answer(page, 'completed').nth(1);
  await refusal.getByText(/do not hold an answer|没有找到这个问题的答案/).waitFor();
  const nearest = refusal.getByRole('group', { name: t('chat.nearest') });
  await nearest.getByRole('button').first().waitFor();
  if ((await refusal.locator('sup button').count()) > 0) throw new Error('a refusal cites something');
  await shoot(page, `${name}-refused`);
  await checkAccessibility(page, 'the refusal');
  await checkWidth(page, 'the refusal');
}

/** Where to begin, by the keyboard alone; and nobody is told that no model answers before that is known. */
async function beginByKeyboard({ page, t }) {
  let loaded = () => {};
  const held = new Promise((resolve) => (loaded = resolve));
  await page.route('**/api/v1/models*', async (route) => {
    await held;
    await route.continue();
  });
  await page.goto('/chat');
  await page.getByText(t('chat.loadingModels')).waitFor();
  if ((await page.getByText(t('chat.noModel')).count()) > 0) throw new Error('"no model" is said before it is known');
  loaded();
  await page.getByText(t('chat.loadingModels')).waitFor({ state: 'detached' });
  await page.unroute('**/api/v1/models*');
  const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
  const ideas = page.getByRole('list', { name: t('chat.ideas.title') });
  await composer.focus();
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press('Tab');
    if (await ideas.getByRole('button', { name: t('chat.ideas.explain') }).evaluate((button) => button === document.activeElement)) break;
  }
  const outline = await page.evaluate(() => window.getComputedStyle(document.activeElement).outlineStyle);
  if (outline === 'none') throw new Error('the focus is not to be seen');
  await page.keyboard.press('Enter');
  await page.waitForFunction((text) => document.querySelector('textarea')?.value === text, t('chat.ideas.explainPrompt'));
}

/** A text has no pages, so none is named, wherever its passages are shown. */
async function claimNoPages({ page, t, name, look }) {
  await page.goto('/knowledge');
  await page.getByRole('link').filter({ hasText: name }).click();
  const row = page.getByRole('listitem').filter({ hasText: 'equipment.md' });
  const form = new Intl.PluralRules(look.language).select(1);
  await row.getByText(t(`knowledge.chunks_${form}`, { count: '1' })).first().waitFor();
  const pages = /\d+ pages?|\d+ 页/;
  if (pages.test(await row.innerText())) throw new Error('a Markdown file claims pages');
  if (!pages.test(await page.getByRole('listitem').filter({ hasText: 'retention.pdf' }).innerText())) throw new Error('a PDF names no pages');
  await page.getByRole('tab', { name: t('knowledge.search') }).click();
  const search = page.getByRole('searchbox', { name: t('knowledge.searchPlaceholder') });
  await search.fill('How large is the mirror of the telescope?');
  await search.press('Enter');
  const found = page.getByRole('listitem').filter({ hasText: 'Albatross' }).first();
  await found.waitFor();
  if (/page \d|第 \d+ 页/.test(await found.innerText())) throw new Error('a passage of a text names a page');
  await search.fill('Who won the football world cup in 1974?');
  await search.press('Enter');
  await page.getByText(t('knowledge.onlyNearest')).waitFor();
  await shoot(page, `${name}-only-nearest`);
}

/** Steps after the first answer, in its conversation. */
export const answerSteps = [
  ['reads the marks in the text', readMarks],
  ['asks what the documents do not say', askWhatIsNotThere],
];

export const steps = [
  ['begins by the keyboard', beginByKeyboard],
  ['sees no pages where there are none', claimNoPages],
];

const DEVELOPMENT_PAGES = ['chat', 'welcome', 'knowledge', 'models', 'providers', 'usage', 'profile', 'admin/users', 'admin/limits', 'admin/audit'];

/** The app as developers run it: React and Ant Design say there what they find wrong, and only there. */
export async function viewDevelopment(browser, server) {
  process.env.LYCEUM_BACKEND = server.origin;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const vite = await createServer({ root, logLevel: 'error', server: { host: '127.0.0.1', port: 0 } });
  await vite.listen();
  const origin = `http://127.0.0.1:${vite.httpServer.address().port}`;
  const t = await loadTexts('en');
  const { page, faults, context } = await openPage(browser, { origin, language: 'en', theme: 'light', width: 1440 });
  try {
    await signInBeside(page);
    for (const path of DEVELOPMENT_PAGES) {
      await page.goto(`/${path}`, { timeout: 90_000 });
      await page.locator('h1').first().waitFor({ timeout: 90_000 });
      await page.getByRole('status', { name: t('common.loading') }).first().waitFor({ state: 'detached' });
    }
    await page.goto('/chat');
    const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
    await composer.fill('Say hello in one word.');
    await composer.press('Control+Enter');
    await page.waitForURL('**/chat/*');
    await answered(page);
  } finally {
    await context.close();
    await vite.close();
  }
  return faults;
}
