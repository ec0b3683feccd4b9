import { afterAll, beforeAll, expect, test } from 'vitest';
import { showLanguage } from './i18n';
import { problemFromText } from './problem';
import { describeProblem } from './use-describe';

const refusal = (members: object) =>
  problemFromText(422, JSON.stringify({ code: 'invalid_field', detail: 'In English.', field: 'name', ...members }), '');

beforeAll(() => showLanguage('zh'));
afterAll(() => showLanguage('en'));

test('a broken rule is told in the reader’s language with what is allowed', () => {
  expect(describeProblem(refusal({ rule: 'length', min: 2, max: 64 }))).toBe('请填写 2 至 64 个字符。');
  expect(describeProblem(refusal({ rule: 'one_of', allowed: ['active', 'inactive'] }))).toBe(
    '只能是 active, inactive 之一。',
  );
  expect(describeProblem(refusal({ rule: 'network', text: '<b>' }))).toContain('“<b>”');
});

test('a rule that the page does not know is told in general', () => {
  expect(describeProblem(refusal({ rule: 'of_tomorrow' }))).toBe('此处不允许该值。');
  expect(describeProblem(refusal({}))).toBe('此处不允许该值。');
});

test('a private address is told with the setting that opens it', () => {
  const refused = problemFromText(422, JSON.stringify({ code: 'private_address', detail: 'In English.' }), '');
  expect(describeProblem(refused)).toContain('outgoing.allowed_private_hosts');
});

test('in English the server says it itself', async () => {
  await showLanguage('en');
  expect(describeProblem(refusal({ rule: 'email' }))).toBe('In English.');
});
