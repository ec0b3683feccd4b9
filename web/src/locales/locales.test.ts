import { expect, test } from 'vitest';
import { en } from './en';
import { zh } from './zh';

/** Every text by its path; plural forms count as one key, for languages have different ones. */
function flatten(texts: object, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts) as [string, string | object][]) {
    const name = path + key.replace(/_(one|other)$/, '');
    if (typeof value === 'string') found.set(name, value);
    else for (const [inner, text] of flatten(value, `${name}.`)) found.set(inner, text);
  }
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).sort();

test('both languages have the same keys', () => {
  expect([...flatten(zh).keys()].sort()).toEqual([...flatten(en).keys()].sort());
});

test('both languages fill in the same values', () => {
  const chinese = flatten(zh);
  for (const [key, text] of flatten(en)) {
    expect(placeholders(chinese.get(key) ?? ''), key).toEqual(placeholders(text));
  }
});

test('no text is empty, and Chinese texts are Chinese', () => {
  const same = new Set(['usage.purposes.api']);
  for (const [key, text] of flatten(zh)) {
    expect(text.trim(), key).not.toBe('');
    if (!same.has(key)) expect(text, key).toMatch(/\p{Script=Han}|^Token$/u);
  }
});
