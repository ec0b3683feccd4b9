import { checkAccessibility, checkWidth, drop, shoot } from './browser.mjs';
import { documents, emptyFile, picture } from './documents.mjs';
import { PROVIDER_ANSWER, PROVIDER_MODEL } from './provider.mjs';

export const ACCOUNT = { username: 'ada', email: 'ada@example.org', password: 'correct-horse-battery' };

/** A small model on two cores needs its time. */
const ANSWER_MS = Number(process.env.LYCEUM_E2E_ANSWER_MS ?? 300_000);
const INGEST_MS = 180_000;

export const answer = (page, status) => page.locator(`article[data-role="assistant"][data-status="${status}"]`);

/** Waits until the answer is whole, and says what stands there instead when it is not. */
export async function answered(page, place = 0) {
  const article = page.locator('article[data-role="assistant"]').nth(place);
  const ended = 'article[data-role="assistant"]:not([data-status="pending"], [data-status="streaming"])';
  const waited = await article.and(page.locator(ended)).waitFor({ timeout: ANSWER_MS }).catch((error) => error);
  const status = await article.getAttribute('data-status').catch(() => 'missing');
  if (status === 'completed') return;
  await shoot(page, 'unanswered');
  const text = await page.locator('main').innerText();
  throw new Error(`The answer is ${status} at ${page.url()}: ${text.slice(-400)}`, { cause: waited });
}

export async function setUp({ page, t, origin, token }) {
  await page.goto(`${origin}/setup?token=${encodeURIComponent(token)}`);
  await page.getByLabel(t('identity.username')).fill(ACCOUNT.username);
  await page.getByLabel(t('identity.email')).fill(ACCOUNT.email);
  await page.getByLabel(t('identity.password'), { exact: true }).fill(ACCOUNT.password);
  await page.getByLabel(t('identity.repeat')).fill(ACCOUNT.password);
  await page.getByRole('button', { name: t('identity.createAdmin') }).click();
  await page.waitForURL('**/welcome');
}

export async function signIn({ page, t, origin }) {
  await page.goto(`${origin}/welcome`);
  await page.waitForURL('**/sign-in**');
  await page.getByLabel(t('identity.login')).fill(ACCOUNT.username);
  await page.getByLabel(t('identity.password')).fill('not-the-password');
  await page.getByRole('button', { name: t('identity.signIn'), exact: true }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel(t('identity.password')).fill(ACCOUNT.password);
  await page.getByRole('button', { name: t('identity.signIn'), exact: true }).click();
  await page.waitForURL('**/welcome');
}

/** Signs in without the page of it, for what begins signed in. */
export async function signInBeside(page) {
  const answer = await page.request.post('/api/v1/auth/sign-in', {
    headers: { 'X-Lyceum-Client': 'web' },
    data: { login: ACCOUNT.username, password: ACCOUNT.password },
  });
  if (!answer.ok()) throw new Error(`Signing in answered ${answer.status()}`);
}

export async function askDocuments({ page, t, name, question }) {
  await page.getByRole('heading', { name: t('welcome.title') }).waitFor();
  await page.getByLabel(t('knowledge.name'), { exact: true }).fill(name);
  await page.getByRole('button', { name: t('welcome.createBase') }).click();
  // The address knows how far one is.
  await page.waitForURL(/welcome\?base=/);
  await page.reload();
  const input = page.locator('input[type=file]');
  await input.setInputFiles(documents);
  await page.getByText(documents[0].name).waitFor();
  await shoot(page, `${name}-uploading`);
  const ready = page.getByRole('listitem').filter({ hasText: t('knowledge.status.completed') });
  await waitForCount(ready, documents.length, INGEST_MS);
  await input.setInputFiles([emptyFile]);
  const refused = page.getByRole('listitem').filter({ hasText: emptyFile.name });
  await refused.getByRole('button', { name: t('common.cancel') }).click();
  await drop(page, page.getByText(t('knowledge.drop')), picture);
  const unread = page.getByRole('listitem').filter({ hasText: picture.name });
  await unread.getByText(/cannot be read|无法读取此类文件/).waitFor();
  await unread.getByRole('button', { name: t('common.cancel') }).click();
  await shoot(page, `${name}-ready`);
  await checkAccessibility(page, 'the guided page');
  await page.getByRole('button', { name: t('welcome.toAsk') }).click();
  await page.getByRole('textbox', { name: t('welcome.ask') }).fill(question);
  await page.getByRole('button', { name: t('welcome.askButton'), exact: true }).click();
  await page.waitForURL('**/chat/*');
}

/** Leaves in the middle of the answer and comes back to it. */
export async function readAnswer({ page, t, name, cited }) {
  await page.locator('article[data-role="assistant"]').waitFor();
  await page.reload();
  await answered(page);
  await shoot(page, `${name}-answer`);
  await checkAccessibility(page, 'the answer');
  const sources = page.getByRole('group', { name: t('chat.sources') }).getByRole('button');
  const chips = cited ? sources.filter({ hasText: t('passage.page', cited) }) : sources;
  await chips.first().click();
  await page.locator('mark').waitFor();
  if (cited) await leafThrough({ page, t, cited });
  await shoot(page, `${name}-source`);
  await checkAccessibility(page, 'the source');
  await checkWidth(page, 'the chat with its source');
  await page.getByRole('button', { name: t('common.close') }).first().click();
}

/** The passage stands at its page, and a blank page before it keeps nobody from the others. */
async function leafThrough({ page, t, cited }) {
  const source = page.getByRole('region', { name: t('passage.title') });
  const back = page.getByRole('button', { name: t('passage.previousPage') });
  await page.locator('mark').filter({ hasText: cited.text }).waitFor();
  await page.getByText(t('passage.pageOf', cited)).waitFor();
  await back.click();
  await source.getByText(t('passage.blank')).waitFor();
  await back.click();
  await source.getByText(cited.first).waitFor();
  for (let at = 1; at < cited.page; at += 1) await page.getByRole('button', { name: t('passage.nextPage') }).click();
  await page.locator('mark').waitFor();
}

export async function explain({ page, t, name }) {
  await answer(page, 'completed').first().getByRole('button', { name: t('chat.why') }).click();
  const drawer = page.getByRole('dialog', { name: t('explain.title') });
  await drawer.getByText(t('retrieved.score')).first().waitFor();
  await shoot(page, `${name}-why`);
  await checkAccessibility(page, 'the explanation');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
}

export async function stopEditRegenerate({ page, t, name, longQuestion, shortQuestion }) {
  await page.goto('/chat');
  const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
  await composer.fill(longQuestion);
  await composer.press('Control+Enter');
  await page.waitForURL('**/chat/*');
  await page.getByRole('button', { name: t('chat.stop') }).waitFor();
  await page.keyboard.press('Escape');
  await answer(page, 'stopped').waitFor({ timeout: ANSWER_MS });
  const question = page.locator('article[data-role="user"]');
  await question.getByRole('button', { name: t('chat.edit') }).click();
  await question.getByRole('textbox', { name: t('chat.editQuestion') }).fill(shortQuestion);
  await question.getByRole('button', { name: t('chat.resend') }).click();
  const branches = question.getByRole('group', { name: t('chat.branches') });
  await branches.getByText('2/2').waitFor();
  await answered(page);
  await branches.getByRole('button', { name: t('chat.previousBranch') }).click();
  await question.getByText(longQuestion).waitFor();
  await branches.getByText('1/2').waitFor();
  await branches.getByRole('button', { name: t('chat.nextBranch') }).click();
  await answer(page, 'completed').getByRole('button', { name: t('chat.regenerate') }).click();
  await page.locator('article[data-role="assistant"]').getByText('2/2').waitFor({ timeout: ANSWER_MS });
  await answered(page);
  await shoot(page, `${name}-branches`);
}

export async function seeLedgerAndAudit({ page, t, name }) {
  await page.goto('/usage');
  await page.locator('canvas').waitFor();
  const row = page.getByRole('row').filter({ hasText: t('usage.purposes.chat') }).last();
  await row.getByRole('button').first().click();
  const call = page.getByRole('dialog', { name: t('usage.call') });
  await call.getByText(t('usage.requestId'), { exact: true }).waitFor();
  await shoot(page, `${name}-call`);
  await page.goto('/admin/audit');
  await page.getByRole('row').filter({ hasText: 'knowledge_base' }).first().waitFor();
}

export async function makeApiKey({ page, t, origin, name }) {
  await page.goto('/api-keys');
  await page.getByRole('button', { name: t('keys.create') }).first().click();
  await page.getByRole('dialog').getByLabel(t('keys.name')).fill(`${name} key`);
  await page.getByRole('dialog').getByRole('button', { name: t('common.create') }).click();
  const key = await page.getByTestId('api-key').innerText();
  await checkAccessibility(page, 'the new key');
  await page.getByRole('button', { name: t('common.done') }).click();
  const response = await fetch(`${origin}/v1/models`, { headers: { Authorization: `Bearer ${key}` } });
  if (response.status !== 200) throw new Error(`/v1/models answered ${response.status} to the new key`);
  const row = page.getByRole('row').filter({ hasText: `${name} key` });
  await row.getByRole('button', { name: t('keys.revoke') }).click();
  await page.getByRole('dialog').getByRole('button', { name: t('keys.revoke') }).click();
  // A revoked key is gone from the list.
  await row.waitFor({ state: 'detached' });
  const after = await fetch(`${origin}/v1/models`, { headers: { Authorization: `Bearer ${key}` } });
  if (after.status !== 401) throw new Error(`/v1/models answered ${after.status} to a revoked key`);
}

export async function addProvider({ page, t, name, baseUrl }) {
  await page.goto('/providers');
  await page.getByRole('button', { name: t('providers.create') }).click();
  const form = page.getByRole('dialog', { name: t('providers.create') });
  await form.getByLabel(t('providers.kind')).click();
  await page.locator('.ant-select-item-option').filter({ hasText: /compatible|custom|自定义/i }).first().click();
  await form.getByLabel(t('providers.name'), { exact: true }).fill(`${name} provider`);
  await form.getByLabel(t('providers.baseUrl')).fill(baseUrl);
  await form.getByLabel(t('providers.key')).fill('sk-end-to-end');
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  const card = page.getByRole('listitem').filter({ hasText: `${name} provider` });
  await card.getByRole('button', { name: t('providers.test') }).click();
  await card.getByText(t('providers.works')).waitFor();
  await shoot(page, `${name}-provider`);
  await checkAccessibility(page, 'the providers');
  await card.getByRole('button', { name: t('models.create') }).click();
  const model = page.getByRole('dialog', { name: t('models.create') });
  await model.getByLabel(t('models.model'), { exact: true }).fill(PROVIDER_MODEL);
  await page.locator('.ant-select-item-option').filter({ hasText: PROVIDER_MODEL }).click();
  await model.getByLabel(t('models.name'), { exact: true }).fill(`${name} external`);
  await model.getByRole('button', { name: t('common.save') }).click();
  await model.waitFor({ state: 'hidden' });
}

export async function chatWithProvider({ page, t, name }) {
  await page.goto('/chat');
  await page.getByRole('combobox', { name: t('chat.model') }).click();
  await page.locator('.ant-select-item-option').filter({ hasText: `${name} external` }).click();
  const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
  await composer.fill('Hello');
  await page.getByRole('button', { name: t('chat.send') }).click();
  await answered(page);
  await page.getByText(PROVIDER_ANSWER).waitFor();
}

export async function searchAndPalette({ page, t, name }) {
  await page.goto('/knowledge');
  await page.getByRole('link').filter({ hasText: name }).click();
  await page.getByRole('tab', { name: t('knowledge.search') }).click();
  const search = page.getByRole('searchbox', { name: t('knowledge.searchPlaceholder') });
  await search.fill('telescope mirror');
  await search.press('Enter');
  await page.getByText('84').first().waitFor();
  await shoot(page, `${name}-search`);
  await checkAccessibility(page, 'the search');
  await page.keyboard.press('Control+k');
  const palette = page.getByRole('combobox', { name: t('app.palette') });
  await palette.fill(t('app.area.usage'));
  await palette.press('Enter');
  await page.waitForURL('**/usage');
}

async function waitForCount(locator, count, timeout) {
  const end = Date.now() + timeout;
  for (;;) {
    const now = await locator.count();
    if (now >= count) return;
    if (Date.now() > end) throw new Error(`${now} of ${count} after ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
