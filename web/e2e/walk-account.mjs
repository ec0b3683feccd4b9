import { createHmac } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { checkAccessibility, checkWidth, shoot, waitForTheme } from './browser.mjs';
import { crc32 } from './crc32.mjs';
import { ACCOUNT } from './walk.mjs';

/** What an authenticator app shows at `time` for a secret in base 32 (RFC 6238). */
export function totp(secret, time = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret.replace(/[^A-Z2-7]/gi, '').toUpperCase()]
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'))
    .join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(time / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const openSecurity = async ({ page, t }) => {
  await page.goto('/profile?tab=security');
  await page.getByRole('heading', { name: t('passkeys.title'), exact: true }).waitFor();
};

async function signOut({ page, t }) {
  const left = await page.request.post('/api/v1/auth/sign-out', { headers: { 'X-Lyceum-Client': 'web' } });
  if (!left.ok()) throw new Error(`Signing out answered ${left.status()}`);
  await page.goto('/sign-in');
  await page.getByRole('button', { name: t('identity.signIn'), exact: true }).waitFor();
}

async function givePassword({ page, t }) {
  await page.getByLabel(t('identity.login')).fill(ACCOUNT.username);
  await page.getByLabel(t('identity.password'), { exact: true }).fill(ACCOUNT.password);
  await page.getByRole('button', { name: t('identity.signIn'), exact: true }).click();
}

/** Answers the question who it is, where the sign-in is older than ten minutes. */
async function confirmIfAsked({ page, t }, next) {
  const dialog = page.getByRole('dialog', { name: t('security.confirmTitle') });
  await dialog.or(next).first().waitFor();
  if (!(await dialog.isVisible())) return;
  await dialog.getByLabel(t('identity.password'), { exact: true }).fill(ACCOUNT.password);
  await dialog.getByRole('button', { name: t('secondStep.confirm') }).click();
  await dialog.waitFor({ state: 'hidden' });
}

async function keepCodes({ page, t }) {
  const dialog = page.getByRole('dialog', { name: t('security.codesTitle') });
  await dialog.waitFor();
  const codes = await dialog.getByTestId('recovery-codes').getByRole('listitem').allTextContents();
  if (codes.length !== 10) throw new Error(`${codes.length} recovery codes`);
  await checkAccessibility(page, 'the recovery codes');
  await dialog.getByRole('button', { name: t('security.codesDone') }).click();
  await dialog.waitFor({ state: 'hidden' });
  return codes;
}

/** Fills in the profile, with a picture and a time zone. */
export async function editProfile({ page, t, name }) {
  await page.goto('/profile');
  await page.locator('input[type=file]').setInputFiles({ name: 'face.png', mimeType: 'image/png', buffer: picture() });
  const preview = page.getByRole('dialog', { name: t('myProfile.avatarPreview') });
  await preview.getByRole('button', { name: t('myProfile.avatarSave') }).click();
  await preview.waitFor({ state: 'hidden' });
  const remove = page.getByRole('button', { name: t('myProfile.avatarRemove') });
  await remove.waitFor();
  await page.getByLabel(t('myProfile.department')).fill('R&D');
  const zone = page.getByRole('combobox', { name: t('myProfile.timezone') });
  await zone.fill('Asia/Shanghai');
  await page.locator('.ant-select-item-option').filter({ hasText: 'Asia/Shanghai' }).click();
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'PATCH' && response.ok()),
    page.getByRole('button', { name: t('common.save'), exact: true }).click(),
  ]);
  await shoot(page, `${name}-profile`);
  await checkAccessibility(page, 'the profile');
  await checkWidth(page, 'the profile');
  await page.reload();
  if ((await page.getByLabel(t('myProfile.department')).inputValue()) !== 'R&D') throw new Error('The department is lost.');
  await remove.click();
  await page.locator('.ant-popconfirm').getByRole('button', { name: t('common.delete') }).click();
  await remove.waitFor({ state: 'detached' });
}

/** What the account prefers goes before the system, in a browser that does not know the account, too. */
export async function chooseTheme({ page, t, look }) {
  const themes = page.getByRole('group', { name: t('app.theme'), exact: true });
  const choose = (theme) =>
    Promise.all([
      page.waitForResponse((response) => response.url().endsWith('/me/preferences/theme') && response.ok()),
      themes.getByText(t(`app.themes.${theme}`), { exact: true }).click(),
    ]);
  const other = look.theme === 'light' ? 'dark' : 'light';
  await page.goto('/profile');
  await choose(other);
  await waitForTheme(page, other);
  await page.evaluate(() => localStorage.removeItem('lyceum.preferences'));
  await page.reload();
  await waitForTheme(page, other);
  await choose('system');
  await waitForTheme(page, look.theme);
}

/** Switches the app on, signs in with it, uses a recovery code up, and switches it off. */
export async function useAuthenticatorApp(walk) {
  const { page, t, name } = walk;
  await openSecurity(walk);
  await page.getByRole('button', { name: t('security.appSetUp') }).click();
  const shown = page.getByTestId('totp-secret');
  await confirmIfAsked(walk, shown);
  const secret = await shown.textContent();
  await shoot(page, `${name}-totp`);
  await checkAccessibility(page, 'the authenticator app');
  const enrol = page.getByRole('dialog', { name: t('security.enrolApp') });
  // A code counts once: the one of the step before leaves the present one for the sign-in.
  await enrol.getByLabel(t('secondStep.code')).fill(totp(secret, Date.now() - 30_000));
  await enrol.getByRole('button', { name: t('security.switchOn') }).click();
  const codes = await keepCodes(walk);

  await signOut(walk);
  await givePassword(walk);
  const code = page.getByLabel(t('secondStep.code'));
  await code.waitFor();
  await shoot(page, `${name}-second-step`);
  await checkAccessibility(page, 'the second step');
  await code.fill(totp(secret));
  await page.getByRole('button', { name: t('secondStep.confirm') }).click();
  await page.waitForURL('**/chat');

  await openSecurity(walk);
  await page.getByRole('button', { name: t('security.appOff'), exact: true }).click();
  const off = page.getByRole('dialog', { name: t('security.appOffConfirm') });
  await off.locator('.ant-segmented-item').filter({ hasText: t('common.code') }).click();
  await off.getByLabel(t('secondStep.code')).fill(codes[0]);
  await off.getByRole('button', { name: t('security.appOff') }).click();
  await page.getByRole('button', { name: t('security.appSetUp') }).waitFor();
}

/** Registers a passkey on a virtual authenticator, signs in with it, and deletes it. */
export async function usePasskey(walk) {
  const { page, t, name } = walk;
  const devices = await page.context().newCDPSession(page);
  await devices.send('WebAuthn.enable');
  await devices.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await openSecurity(walk);
  await page.getByRole('button', { name: t('passkeys.add') }).click();
  const form = page.getByRole('dialog', { name: t('passkeys.add') });
  await form.getByLabel(t('passkeys.name')).fill(name);
  await form.getByRole('button', { name: t('passkeys.create') }).click();
  await confirmIfAsked(walk, page.getByRole('dialog', { name: t('security.codesTitle') }));
  await keepCodes(walk);
  await shoot(page, `${name}-security`);
  await checkAccessibility(page, 'the security page');
  await checkWidth(page, 'the security page');

  await signOut(walk);
  await page.getByRole('button', { name: t('entry.passkey') }).click();
  await page.waitForURL('**/chat');

  await openSecurity(walk);
  await page.getByRole('button', { name: t('common.deleteNamed', { name }) }).click();
  await page.getByRole('dialog').getByRole('button', { name: t('common.delete'), exact: true }).click();
  await page.getByText(t('passkeys.empty')).waitFor();
  await devices.send('WebAuthn.disable');
  await devices.detach();
}

/** Exports the own data and looks at the quotas. */
export async function takeDataAway({ page, t, name }) {
  await page.goto('/profile?tab=quotas');
  await page.getByRole('tabpanel').first().waitFor();
  await page.goto('/profile?tab=data');
  await page.getByRole('button', { name: t('myData.start') }).click();
  const button = page.getByRole('button', { name: t('myData.download') }).first();
  await button.waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: t('myData.start') }).and(page.locator(':enabled')).waitFor({ timeout: 60_000 });
  const [file] = await Promise.all([page.waitForEvent('download'), button.click()]);
  if (await file.failure()) throw new Error(`The download failed: ${await file.failure()}`);
  await shoot(page, `${name}-data`);
  await checkAccessibility(page, 'the export');
}

/** Somebody registers by themselves where that is open, signs in, and deletes the account again. */
export async function registerAndLeave({ page, t, origin, look, name }) {
  const mode = (value) =>
    page.request.put('/api/v1/system/configs/registration.mode', { headers: { 'X-Lyceum-Client': 'web' }, data: { value } });
  const guest = `guest-${look.language}-${Date.now() % 1_000_000}`;
  await mode('open');
  const context = await page.context().browser().newContext({
    baseURL: origin,
    viewport: page.viewportSize(),
    colorScheme: look.theme,
    reducedMotion: 'reduce',
  });
  await context.addInitScript((kept) => localStorage.setItem('lyceum.preferences', kept), JSON.stringify(look));
  const other = await context.newPage();
  other.setDefaultTimeout(20_000);
  try {
    await other.goto('/sign-in');
    await other.getByRole('link', { name: t('entry.createAccount') }).click();
    // The page before has a field of nearly the same name.
    await other.getByRole('heading', { name: t('signUp.title') }).waitFor();
    await other.getByLabel(t('identity.repeat')).waitFor();
    await other.getByLabel(t('identity.username')).fill(guest);
    await other.getByLabel(t('identity.email')).fill(`${guest}@example.org`);
    await other.getByLabel(t('identity.password'), { exact: true }).fill(ACCOUNT.password);
    await other.getByLabel(t('identity.repeat')).fill(ACCOUNT.password);
    await shoot(other, `${name}-register`);
    await checkAccessibility(other, 'the registration');
    await other.getByRole('button', { name: t('signUp.create'), exact: true }).click();
    await other.getByText(t('signUp.doneHint')).waitFor();
    await other.getByRole('link', { name: t('entry.toSignIn') }).click();
    await other.getByLabel(t('identity.login')).fill(guest);
    await other.getByLabel(t('identity.password'), { exact: true }).fill(ACCOUNT.password);
    await other.getByRole('button', { name: t('identity.signIn'), exact: true }).click();
    await other.waitForURL('**/chat');
    await other.goto('/profile?tab=data');
    await other.getByRole('button', { name: t('myData.delete') }).click();
    const dialog = other.getByRole('dialog', { name: t('myData.deleteConfirm') });
    await dialog.getByLabel(t('myData.password')).fill(ACCOUNT.password);
    await checkAccessibility(other, 'the deletion');
    await dialog.getByRole('button', { name: t('myData.delete') }).click();
    await other.waitForURL('**/sign-in');
  } catch (error) {
    await shoot(other, `failed-${name}-register`);
    throw error;
  } finally {
    await context.close();
    await mode('invitation');
  }
}

/** A picture of 64 by 48 pixels in one colour, as PNG. */
function picture() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body) >>> 0, 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(64, 0);
  header.writeUInt32BE(48, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.of(0), Buffer.alloc(64 * 3, Buffer.of(79, 70, 229))]);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(Array.from({ length: 48 }, () => row)))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

export const steps = [
  ['edits the profile', editProfile],
  ['chooses a theme', chooseTheme],
  ['signs in with an authenticator app', useAuthenticatorApp],
  ['signs in with a passkey', usePasskey],
  ['takes the data away', takeDataAway],
  ['registers and leaves', registerAndLeave],
];
