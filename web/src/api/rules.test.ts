import { expect, test } from 'vitest';
import { rules } from '@/locales/en/rules';
import type { Rule } from './types';

test('every rule that the server names has its text', () => {
  const texts: Record<Rule, string> = rules;
  expect(Object.keys(texts)).toContain('length');
});
