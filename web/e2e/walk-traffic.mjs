import { readFile } from 'node:fs/promises';
import { checkAccessibility, checkWidth, shoot } from './browser.mjs';
import { PROVIDER_ANSWER, PROVIDER_MODEL } from './provider.mjs';

/** The two walks use one server, so each has things of its own. */
const cast = ({ look }) => ({
  provider: `Routed ${look.language}`,
  models: [`First ${look.language}`, `Second ${look.language}`],
  route: `Best ${look.language}`,
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

/** Two models of one provider; the first keeps what it is asked. */
export async function keepPayloads(plan) {
  const { page, t, name, baseUrl } = plan;
  const { provider, models } = cast(plan);
  const body = { provider: 'custom', name: provider, scope: 'personal', base_url: baseUrl, api_key: 'sk-end-to-end' };
  const { id } = await api(page, 'POST', '/providers', body);
  for (const model of models) {
    await api(page, 'POST', '/models', { provider_config_id: id, name: model, model: PROVIDER_MODEL, kind: 'chat' });
  }
  await page.goto('/models');
  const row = page.getByRole('row').filter({ hasText: models[0] });
  await row.getByRole('button', { name: t('common.editNamed', { name: models[0] }) }).click();
  const form = page.getByRole('dialog', { name: t('models.edit') });
  await form.getByText(t('payloads.options.all'), { exact: true }).click();
  await form.getByText(t('payloads.warning')).waitFor();
  await look(page, name, 'model form');
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  await row.getByText(t('payloads.on.all')).waitFor();
}

/** Makes a route of the two, asks it, and sees how its models are doing. */
export async function makeRoute(plan) {
  const { page, t, name } = plan;
  const { models, route } = cast(plan);
  await page.goto('/routes');
  await page.getByRole('button', { name: t('routes.create') }).click();
  const form = page.getByRole('dialog', { name: t('routes.create') });
  await form.getByLabel(t('routes.name'), { exact: true }).fill(route);
  for (const [place, model] of models.entries()) {
    await form.getByRole('combobox', { name: t('routes.target', { place: place + 1 }) }).fill(model);
    await option(page, model).click();
  }
  await look(page, name, 'route form');
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  const { items } = await api(page, 'GET', '/model-routes');
  const made = items.find((item) => item.name === route);
  const { id } = await api(page, 'POST', '/conversations', { model_config_id: made.id });
  await page.goto(`/chat/${id}`);
  const composer = page.getByRole('textbox', { name: t('chat.placeholder') });
  await composer.fill('Hello');
  await page.getByRole('button', { name: t('chat.send') }).click();
  await page.getByText(PROVIDER_ANSWER).first().waitFor();
  await page.locator('article[data-role="assistant"][data-status="completed"]').waitFor();
  await page.goto('/routes');
  const card = page.getByRole('listitem').filter({ has: page.getByText(route, { exact: true }) });
  await card.getByText(t('routes.state.healthy')).first().waitFor();
  await card.getByText(t('routes.median').trim()).first().waitFor();
  await card.getByRole('button', { name: t('common.editNamed', { name: route }) }).click();
  const change = page.getByRole('dialog', { name: t('routes.edit') });
  await change.getByLabel(t('routes.description')).fill(`${name}: 1 → 2`);
  await change.getByRole('button', { name: t('routes.limits') }).click();
  await change.getByLabel(t('routes.firstToken')).fill('12.5');
  await change.getByRole('button', { name: t('common.save') }).click();
  await change.waitFor({ state: 'hidden' });
  await card.getByText(`${name}: 1 → 2`).waitFor();
  const { settings } = await api(page, 'GET', `/model-routes/${made.id}`);
  if (settings.first_token_timeout_ms !== 12_500) throw new Error(`The time limit is ${settings.first_token_timeout_ms}`);
  await look(page, name, 'routes');
}

/** Sees what runs now. */
export async function watchLive({ page, t, name }) {
  await page.goto('/live');
  await page.getByText(t('live.connected')).waitFor();
  await page.getByText(t('live.day'), { exact: true }).waitFor();
  await look(page, name, 'live');
}

/** Picks one route's model, takes its calls away as a file, and reads what one was about. */
export async function exportUsage(plan) {
  const { page, t, name } = plan;
  await page.goto('/usage');
  await page.locator('canvas').waitFor();
  await page.getByRole('button', { name: t('spend.only', { name: PROVIDER_MODEL }) }).click();
  await page.getByRole('button', { name: t('spend.clear') }).waitFor();
  await page.getByRole('button', { name: t('spend.export') }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('menuitem', { name: t('spend.formats.csv') }).getByRole('link').click(),
  ]);
  const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n');
  if (lines.length < 2 || !lines.slice(1).every((line) => line.includes(PROVIDER_MODEL))) {
    throw new Error(`The export is not that of one model: ${lines.slice(0, 3).join(' | ')}`);
  }
  const chat = page.getByRole('row').filter({ hasText: t('usage.purposes.chat') }).filter({ hasText: PROVIDER_MODEL });
  await chat.first().getByRole('button').first().click();
  const call = page.getByRole('dialog', { name: t('usage.call') });
  await call.getByText(cast(plan).route, { exact: true }).waitFor();
  await call.getByRole('button', { name: t('payloads.show') }).click();
  await call.getByText(PROVIDER_ANSWER).first().waitFor();
  await look(page, name, 'kept payload');
  await page.keyboard.press('Escape');
  await call.waitFor({ state: 'hidden' });
}

/** Holds the ledger against a bill that says something else. */
export async function compareBill({ page, t, name }) {
  await page.getByRole('button', { name: t('bill.title') }).click();
  const drawer = page.getByRole('dialog', { name: t('bill.title') });
  const today = new Date().toISOString().slice(0, 10);
  const text = `date,model,input_tokens,output_tokens\n${today},${PROVIDER_MODEL},1000000,1000000\n`;
  await drawer.locator('input[type=file]').setInputFiles({ name: 'bill.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await look(page, name, 'bill form');
  await drawer.getByRole('button', { name: t('bill.compare') }).click();
  await drawer.getByText(PROVIDER_MODEL).first().waitFor();
  await look(page, name, 'bill');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
}

export const steps = [
  ['keeps requests of a model', keepPayloads],
  ['makes a route', makeRoute],
  ['watches live calls', watchLive],
  ['filters and exports usage', exportUsage],
  ['compares with a bill', compareBill],
];
