import { checkAccessibility, checkWidth, shoot } from './browser.mjs';

async function look(page, name, where) {
  await shoot(page, `${name}-${where.replaceAll(' ', '-')}`);
  await checkAccessibility(page, `the ${where}`);
  await checkWidth(page, `the ${where}`);
}

/** What the directory is told at its address. */
async function askAsDirectory(origin, token) {
  const answer = await fetch(`${origin}/scim/v2/Users?count=1`, { headers: { Authorization: `Bearer ${token}` } });
  return answer.status;
}

async function expectStatus(origin, token, expected) {
  const status = await askAsDirectory(origin, token);
  if (status !== expected) throw new Error(`The directory was answered ${status}, not ${expected}.`);
}

/** Reads the token that is shown once, and goes on. */
async function takeSecret({ page, t, name }, where) {
  const token = await page.getByTestId('scim-token').textContent();
  if (!/^lycscim_.{43}$/.test(token)) throw new Error(`This is no token: ${token.slice(0, 12)}`);
  await look(page, name, where);
  const secret = page.getByRole('dialog', { name: t('provisioning.shown') });
  await secret.getByRole('button', { name: t('common.done') }).click();
  await secret.waitFor({ state: 'hidden' });
  return token;
}

/** Connects a directory, gives it a new token, and takes it away. */
export async function connectDirectory(plan) {
  const { page, t, origin, name, look: { language } } = plan;
  const directory = `Directory ${language}`;
  await page.goto('/admin/provisioning');
  await page.getByText(t('provisioning.empty')).waitFor();
  await page.getByRole('button', { name: t('provisioning.create') }).first().click();
  const form = page.getByRole('dialog', { name: t('provisioning.create') });
  await form.getByLabel(t('provisioning.name')).fill(directory);
  await look(page, name, 'form of a directory');
  await form.getByRole('button', { name: t('common.create') }).click();
  const first = await takeSecret(plan, 'token of a directory');
  await page.getByRole('listitem').filter({ hasText: directory }).waitFor();
  await expectStatus(origin, first, 200);
  await page.getByRole('button', { name: t('provisioning.rotateNamed', { name: directory }) }).click();
  const rotation = page.getByRole('dialog', { name: t('provisioning.rotateTitle', { name: directory }) });
  await rotation.getByRole('button', { name: t('provisioning.rotate') }).click();
  const second = await takeSecret(plan, 'rotated token');
  await expectStatus(origin, first, 200);
  await expectStatus(origin, second, 200);
  await look(page, name, 'directories');
  await revoke(plan, directory);
  await expectStatus(origin, second, 401);
}

async function revoke({ page, t }, directory) {
  await page.getByRole('button', { name: t('provisioning.revokeNamed', { name: directory }) }).click();
  const question = page.getByRole('dialog').filter({ hasText: t('provisioning.revokeTitle') });
  await question.getByRole('button', { name: t('provisioning.revoke') }).click();
  await page.getByText(t('provisioning.empty')).waitFor();
}

/** Looks through the program's log, whether it has anything to say or not. */
export async function readLog({ page, t, name }) {
  await page.goto('/admin/logs');
  const entry = page.getByRole('row').getByRole('button');
  await page.getByText(t('logs.empty')).or(entry.first()).waitFor();
  await look(page, name, 'log');
  if (await entry.count()) {
    await entry.first().click();
    const details = page.getByRole('dialog', { name: t('logs.entry') });
    await details.getByText(t('logs.module')).waitFor();
    await look(page, name, 'entry of the log');
    await page.keyboard.press('Escape');
    await details.waitFor({ state: 'hidden' });
  }
  const search = page.getByRole('searchbox', { name: t('logs.text') });
  await search.fill('nobody-ever-wrote-this');
  await search.press('Enter');
  await page.getByText(t('logs.nothing')).waitFor();
}

export const steps = [
  ['connects a directory', connectDirectory],
  ['reads the log', readLog],
];
