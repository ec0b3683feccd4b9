import { describe, expect, test } from 'vitest';
import { dayGroup, formatBytes, formatCost, formatDuration } from './format';
import { permits } from './permissions';
import { safeLink, safeReturnPath } from './safe-url';
import { sliceByCharacter } from './text-offsets';

describe('formatting', () => {
  test('small costs keep their digits', () => {
    expect(formatCost('0.000123', 'en')).toBe('$0.000123');
    expect(formatCost(12.5, 'en')).toBe('$12.50');
    expect(formatCost(null, 'en')).toBe('—');
  });
  test('sizes and times choose their unit', () => {
    expect(formatBytes(349, 'en')).toBe('349 bytes');
    expect(formatBytes(1_300_000, 'en')).toBe('1.3 MB');
    expect(formatBytes(0, 'en')).toBe('0 bytes');
    expect(formatDuration(640, 'en')).toBe('640 ms');
    expect(formatDuration(5120, 'en')).toBe('5.1 sec');
  });
  test('conversations are grouped by the reader’s own days', () => {
    const now = new Date(2026, 4, 20, 9, 0);
    const at = (day: number, hour: number) => dayGroup(new Date(2026, 4, day, hour).toISOString(), now);
    expect([at(20, 0), at(19, 23), at(14, 12), at(2, 1), dayGroup('2025-01-01T00:00:00Z', now)]).toEqual([
      'today',
      'yesterday',
      'week',
      'month',
      'older',
    ]);
  });
});

test('permission patterns', () => {
  expect(permits(['*:*'], 'user:read')).toBe(true);
  expect(permits(['usage:*'], 'usage:read_all')).toBe(true);
  expect(permits(['usage:read'], 'usage:read_all')).toBe(false);
  expect(permits(['api_key:*'], 'api:read')).toBe(false);
  expect(permits([], 'user:read')).toBe(false);
});

test('only links with allowed schemes', () => {
  expect(safeLink('https://example.org/a')).toBe('https://example.org/a');
  expect(safeLink('mailto:a@b.c')).toBe('mailto:a@b.c');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', '/api/v1/auth/sign-out', 'file:///etc/passwd', '']) {
    expect(safeLink(bad), bad).toBeUndefined();
  }
});

test('after signing in one stays on this site', () => {
  expect(safeReturnPath('/chat/1?x=2')).toBe('/chat/1?x=2');
  for (const bad of ['https://evil.example', '//evil.example', '/\\evil.example', undefined]) {
    expect(safeReturnPath(bad)).toBe('/');
  }
});

test('offsets count characters, not UTF-16 units', () => {
  expect(sliceByCharacter('😀ab中文c', 1, 3)).toEqual(['😀', 'ab', '中文c']);
  expect(sliceByCharacter('abc', -2, 9)).toEqual(['', 'abc', '']);
});
