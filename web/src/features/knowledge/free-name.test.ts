import { expect, test } from 'vitest';
import { freeName } from './free-name';

test('a name that is taken gets the first number that is not', () => {
  expect(freeName('Papers', ['Books'])).toBe('Papers');
  expect(freeName('Papers', ['papers', 'Papers 2', 'Papers 4'])).toBe('Papers 3');
});
