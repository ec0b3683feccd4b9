import { PROVIDER_MODEL } from './provider.mjs';
import { checkAccessibility, checkWidth, shoot } from './browser.mjs';

/** The two walks use one server, so each has things of its own. */
const cast = ({ look }) => ({
  provider: `Shared ${look.language}`,
  person: `reader-${look.language}`,
  key: `Rotating ${look.language}`,
  base: `Lent ${look.language}`,
  chosen: `Chosen ${look.language}`,
});

const HEADERS = { 'X-Lyceum-Client': 'web' };

async function api(page, method, path, data) {
  const response = await page.request.fetch(`/api/v1${path}`, { method, headers: HEADERS, ...(data ? { data } : {}) });
  if (!response.ok()) throw new Error(`${method} ${path} answered ${response.status()}: ${await response.text()}`);
  return response.json();
}

const option = (page, text) =>
  page
    .locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option')
    .filter({ hasText: text })
    .first();

async function look(page, name, where) {
  await shoot(page, `${name}-${where.replaceAll(' ', '-')}`);
  await checkAccessibility(page, `the ${where}`);
  await checkWidth(page, `the ${where}`);
}

/** Sets up an organisation's provider for selected people, and gives it to one. */
export async function distribute(plan) {
  const { page, t, name, baseUrl } = plan;
  const { provider, person } = cast(plan);
  await api(page, 'POST', '/users', { username: person, email: `${person}@example.org`, password: 'a-lighthouse-in-fog', roles: ['user'] });
  await api(page, 'POST', '/providers', { provider: 'custom', name: provider, scope: 'organization', base_url: baseUrl, audience: 'everyone' });
  await page.goto('/providers');
  const card = page.getByRole('listitem').filter({ hasText: provider }).filter({ has: page.getByRole('button') });
  await card.getByRole('button', { name: t('distribution.title') }).click();
  const drawer = page.getByRole('dialog', { name: t('distribution.of', { name: provider }) });
  await drawer.getByText(t('distribution.selected'), { exact: true }).click();
  await drawer.getByText(t('distribution.everyoneHint')).waitFor({ state: 'detached' });
  await drawer.getByRole('combobox', { name: t('distribution.add') }).fill(person);
  await option(page, person).click();
  await drawer.getByRole('heading').first().click();
  await drawer.getByRole('button', { name: t('distribution.give'), exact: true }).click();
  await drawer.getByRole('listitem').filter({ hasText: person }).waitFor();
  await look(page, name, 'distribution');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
}

/** Adds models of a provider's own list, to a provider that has headers of its own. */
export async function chooseModels(plan) {
  const { page, t, name, baseUrl } = plan;
  const { chosen } = cast(plan);
  const config = { headers: { 'x-team': 'research' } };
  await api(page, 'POST', '/providers', {
    provider: 'custom', name: chosen, scope: 'personal', base_url: baseUrl, api_key: 'sk-end-to-end', config,
  });
  await page.goto('/providers');
  const card = page.getByRole('listitem').filter({ hasText: chosen }).filter({ has: page.getByRole('button') });
  await card.getByRole('button', { name: t('common.editNamed', { name: chosen }) }).click();
  const form = page.getByRole('dialog', { name: t('providers.edit') });
  await form.getByText(t('providers.more')).click();
  await form.getByRole('button', { name: t('providerFields.headers.add') }).waitFor();
  await look(page, name, 'provider headers');
  await form.getByRole('button', { name: t('common.cancel') }).click();
  await form.waitFor({ state: 'hidden' });
  await card.getByRole('button', { name: t('offered.open') }).click();
  const drawer = page.getByRole('dialog', { name: t('offered.title', { name: chosen }) });
  await drawer.getByRole('checkbox', { name: t('offered.choose', { name: PROVIDER_MODEL }) }).check();
  await look(page, name, 'offered models');
  // Its words depend on the number.
  await drawer.locator('button.ant-btn-primary').click();
  await drawer.waitFor({ state: 'hidden' });
}

/** Limits a key to one model, and is refused another. */
export async function limitKey(plan) {
  const { page, t, name, origin } = plan;
  const key = `Limited ${plan.look.language}`;
  const made = await api(page, 'POST', '/api-keys', { name: key });
  await page.goto('/api-keys');
  const row = page.getByRole('row').filter({ hasText: key });
  await row.getByRole('button', { name: t('keyMore.more', { name: key }) }).click();
  await page.getByRole('menuitem', { name: t('common.edit') }).click();
  const dialog = page.getByRole('dialog', { name: t('keyMore.edit') });
  await dialog.getByText(t('keyMore.onlyThese'), { exact: true }).click();
  await dialog.getByRole('combobox', { name: t('keyMore.modelNames') }).fill('no-such-model');
  await page.keyboard.press('Enter');
  await look(page, name, 'limited key');
  await dialog.getByRole('button', { name: t('common.save') }).click();
  await dialog.waitFor({ state: 'hidden' });
  const body = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hello' }] });
  const headers = { Authorization: `Bearer ${made.key}`, 'Content-Type': 'application/json' };
  const response = await fetch(`${origin}/v1/chat/completions`, { method: 'POST', headers, body });
  if (response.status !== 403) throw new Error(`A key that is limited to another model was answered ${response.status}`);
}

/** Bounds what the person may use in a month, and everybody's calls in a minute. */
export async function setLimits(plan) {
  const { page, t, name } = plan;
  const { person } = cast(plan);
  await page.goto('/admin/limits');
  await page.getByRole('button', { name: t('limits.addQuota') }).click();
  const form = page.getByRole('dialog', { name: t('limits.addQuota') });
  await form.getByRole('combobox', { name: t('limits.one.users') }).fill(person);
  await option(page, person).click();
  await form.getByLabel(t('limits.monthTokens')).fill('100000');
  await form.getByLabel(t('limits.dollars')).fill('12.5');
  await look(page, name, 'quota form');
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  await page.getByRole('row').filter({ hasText: person }).getByRole('progressbar').first().waitFor();
  await look(page, name, 'quotas');
  await page.getByRole('tab', { name: t('limits.rates') }).click();
  await page.getByRole('button', { name: t('limits.addRate') }).click();
  const rate = page.getByRole('dialog', { name: t('limits.addRate') });
  await rate.getByLabel(t('limits.requests')).fill('100000');
  await rate.getByRole('button', { name: t('common.save') }).click();
  await rate.waitFor({ state: 'hidden' });
  await page.getByRole('row').filter({ hasText: t('limits.scopes.organization') }).first().waitFor();
  await look(page, name, 'rate limits');
}

/** After a rotation the old secret and the new one work. */
export async function rotateKey(plan) {
  const { page, t, name, origin } = plan;
  const { key } = cast(plan);
  const made = await api(page, 'POST', '/api-keys', { name: key, allowed_addresses: ['127.0.0.0/8', '::1/128'] });
  await page.goto('/api-keys');
  const row = page.getByRole('row').filter({ hasText: key });
  await row.getByRole('button', { name: t('keyMore.more', { name: key }) }).click();
  await page.getByRole('menuitem', { name: t('keyMore.rotate') }).click();
  const dialog = page.getByRole('dialog', { name: t('keyMore.rotateNamed', { name: key }) });
  await dialog.getByRole('button', { name: t('keyMore.rotate'), exact: true }).click();
  const secret = await page.getByTestId('api-key').innerText();
  await look(page, name, 'rotated key');
  await page.getByRole('button', { name: t('common.done') }).click();
  for (const each of [made.key, secret]) {
    const response = await fetch(`${origin}/v1/models`, { headers: { Authorization: `Bearer ${each}` } });
    if (response.status !== 200) throw new Error(`/v1/models answered ${response.status} after the rotation`);
  }
  await look(page, name, 'keys');
}

/** Lends a knowledge base to a person. */
export async function shareBase(plan) {
  const { page, t, name } = plan;
  const { base, person } = cast(plan);
  // Which of the models embeds is nothing to this walk.
  const { items } = await api(page, 'GET', '/knowledge-bases');
  const { id, name: title } = items[0] ?? (await api(page, 'POST', '/knowledge-bases', { name: base }));
  await page.goto(`/knowledge/${id}`);
  await page.getByRole('button', { name: t('share.title') }).click();
  const dialog = page.getByRole('dialog', { name: t('share.of', { name: title }) });
  await dialog.getByRole('combobox', { name: t('share.username') }).fill(person);
  await option(page, person).click();
  await dialog.getByRole('button', { name: t('share.title'), exact: true }).click();
  await dialog.getByRole('listitem').filter({ hasText: person }).waitFor();
  await look(page, name, 'sharing');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
}

/** Takes the log away as a file, and has its chain read again. */
export async function auditExport({ page, t, name }) {
  await page.goto('/admin/audit');
  await page.getByRole('button', { name: t('auditMore.export') }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: t('auditMore.formats.csv') }).getByRole('link').click(),
  ]);
  if (!download.suggestedFilename().endsWith('.csv')) throw new Error(`The export is ${download.suggestedFilename()}`);
  await page.getByRole('button', { name: t('auditMore.verify') }).click();
  await page.getByText(t('auditMore.intact')).waitFor();
  await look(page, name, 'audit chain');
}

export const steps = [
  ['distributes a provider', distribute],
  ['chooses models of a provider', chooseModels],
  ['limits a key to a model', limitKey],
  ['sets a quota and a rate limit', setLimits],
  ['rotates an API key', rotateKey],
  ['shares a knowledge base', shareBase],
  ['exports and verifies the audit log', auditExport],
];
