import { checkAccessibility, checkWidth, shoot } from './browser.mjs';

/** The two walks use one server, so each has people and things of its own. */
const cast = ({ look }) => ({
  guest: `guest-${look.language}`,
  email: `guest-${look.language}@example.org`,
  password: 'a-lighthouse-in-fog',
  group: `Readers ${look.language}`,
  role: `auditor_${look.language}`,
});

const option = (page, text) =>
  page.locator('.ant-select-dropdown:not(.ant-select-dropdown-hidden) .ant-select-item-option').filter({ hasText: text });

async function look(page, name, where) {
  await shoot(page, `${name}-${where.replaceAll(' ', '-')}`);
  await checkAccessibility(page, `the ${where}`);
  await checkWidth(page, `the ${where}`);
}

/** Makes a link at the page of invitations, and follows it as the invited person. */
export async function inviteSomebody(plan) {
  const { page, t, name } = plan;
  const { guest, email, password } = cast(plan);
  await page.goto('/admin/users?tab=invitations');
  await page.getByRole('button', { name: t('invitations.create') }).first().click();
  const form = page.getByRole('dialog', { name: t('invitations.create') });
  await form.getByLabel(t('invitations.email')).fill(email);
  await look(page, name, 'invitation form');
  await form.getByRole('button', { name: t('common.create') }).click();
  const link = await page.getByTestId('secret-link').textContent();
  await page.getByRole('button', { name: t('common.done') }).click();
  await page.getByRole('row').filter({ hasText: email }).first().getByText(t('invitations.status.open')).waitFor();
  await look(page, name, 'invitations');
  await acceptInvitation(plan, { link, guest, password });
  await page.reload();
  await page.getByRole('row').filter({ hasText: email }).first().getByText(t('invitations.status.accepted')).waitFor();
}

async function acceptInvitation({ page, t, origin, look: { language } }, { link, guest, password }) {
  const context = await page.context().browser().newContext({
    baseURL: origin,
    locale: language === 'zh' ? 'zh-CN' : 'en-US',
  });
  try {
    const theirs = await context.newPage();
    const { pathname, hash } = new URL(link);
    await theirs.goto(`${pathname}${hash}`);
    await theirs.getByLabel(t('identity.username')).fill(guest);
    await theirs.getByLabel(t('identity.password'), { exact: true }).fill(password);
    await theirs.getByLabel(t('identity.repeat')).fill(password);
    await theirs.getByRole('button', { name: t('invited.create') }).click();
    await theirs.waitForURL('**/chat');
    // Administration is not for them.
    await theirs.getByRole('navigation', { name: t('app.areas') }).waitFor();
    if (await theirs.getByRole('link', { name: t('app.area.users') }).count()) {
      throw new Error('A guest sees the administration.');
    }
  } finally {
    await context.close();
  }
}

/** Makes a group and puts the guest into it. */
export async function makeGroup(plan) {
  const { page, t, name } = plan;
  const { guest, group } = cast(plan);
  await page.goto('/admin/groups');
  await page.getByRole('button', { name: t('groups.create') }).click();
  const form = page.getByRole('dialog', { name: t('groups.create') });
  await form.getByLabel(t('groups.name')).fill(group);
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: t('groups.membersOf', { name: group }) }).click();
  const drawer = page.getByRole('dialog', { name: t('groups.membersOf', { name: group }) });
  await drawer.getByText(t('groups.noMembers')).waitFor();
  await drawer.getByRole('combobox', { name: t('groups.addMember') }).fill(guest);
  await option(page, guest).click();
  await drawer.getByRole('listitem').filter({ hasText: guest }).waitFor();
  await look(page, name, 'group');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
}

/** Makes a role; the server's word about it stands at its field. */
export async function makeRole(plan) {
  const { page, t, name } = plan;
  const { role } = cast(plan);
  await page.goto('/admin/roles');
  await page.getByRole('button', { name: t('roles.create') }).first().click();
  const form = page.getByRole('dialog', { name: t('roles.create') });
  const roleName = form.getByLabel(t('roles.name'), { exact: true });
  await roleName.fill('user');
  const documents = form.getByRole('group', { name: t('roles.resources.document'), exact: true });
  await documents.getByRole('checkbox', { name: t('roles.actions.read'), exact: true }).check();
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.locator('.ant-form-item-explain-error').first().waitFor();
  await look(page, name, 'role form');
  await roleName.fill(role);
  await form.getByRole('button', { name: t('common.save') }).click();
  await form.waitFor({ state: 'hidden' });
  await page.getByRole('row').filter({ hasText: role }).waitFor();
  await look(page, name, 'roles');
}

/** Finds the guest among the people and gives them the role. */
export async function assignRole(plan) {
  const { page, t, name } = plan;
  const { guest, group, role } = cast(plan);
  await page.goto('/admin/users');
  const search = page.getByRole('searchbox', { name: t('people.search') });
  await search.fill(guest);
  await search.press('Enter');
  await page.getByRole('button', { name: t('people.manageNamed', { name: guest }) }).click();
  const drawer = page.getByRole('dialog', { name: t('people.profile') });
  await drawer.getByText(group).waitFor();
  await drawer.getByRole('combobox', { name: t('people.giveRole') }).click();
  await option(page, role).click();
  await drawer.getByRole('button', { name: t('people.takeRole', { role }) }).waitFor();
  await look(page, name, 'person');
  await page.keyboard.press('Escape');
  await drawer.waitFor({ state: 'hidden' });
}

/** Asks why the guest may not read the audit log. */
export async function askWhyNot(plan) {
  const { page, t, name } = plan;
  const { guest, role } = cast(plan);
  await page.goto('/admin/access');
  await page.getByRole('combobox', { name: t('access.person') }).fill(guest);
  await option(page, guest).click();
  await page.getByRole('combobox', { name: t('access.action') }).fill('audit:read');
  await option(page, 'audit:read').click();
  await page.getByRole('button', { name: t('access.ask') }).click();
  await page.getByText(t('access.denied', { name: guest })).waitFor();
  await page.getByText(role).waitFor();
  await look(page, name, 'access');
}

export const steps = [
  ['invites somebody', inviteSomebody],
  ['makes a group', makeGroup],
  ['makes a role', makeRole],
  ['gives the role', assignRole],
  ['asks why not', askWhyNot],
];
