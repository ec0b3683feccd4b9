import { expect, test } from 'vitest';
import type { KnownModel } from '@/api/types';
import { knownPrices, suggested, suggestedTiers } from './suggestion';
import { LARGE } from './test-known';

const SMALL: KnownModel = { ...LARGE, model: 'small', input_price: '0.15', output_price: '0.6', cached_input_price: '0.075' };

test('empty fields take what is known', () => {
  const fields = suggested({ output_price: null }, {}, LARGE);
  expect(fields).toMatchObject({ input_price: '2.5', output_price: '10', context_length: 1_000_000 });
});

test('what somebody typed stays', () => {
  const fields = suggested({ output_price: '9', context_length: 8000 }, {}, LARGE);
  expect(fields.input_price).toBe('2.5');
  expect(Object.keys(fields)).not.toContain('output_price');
  expect(Object.keys(fields)).not.toContain('context_length');
});

test('another model takes back what was suggested for the one before', () => {
  const first = suggested({}, {}, LARGE);
  const second = suggested({ ...first, output_price: '9' }, first, SMALL);
  expect(second).toMatchObject({ input_price: '0.15', cached_input_price: '0.075' });
  expect(Object.keys(second)).not.toContain('output_price');
  const third = suggested({ ...second, output_price: '9' }, second, null);
  expect(third).toMatchObject({ input_price: undefined, cached_input_price: undefined, context_length: undefined });
});

test('prices are for models of the kind alone', () => {
  expect(knownPrices(LARGE, 'chat')).toEqual({ input_price: '2.5', cached_input_price: '1.25', output_price: '10' });
  expect(knownPrices(LARGE, 'embedding')).toEqual({});
});

test('a tier of which nothing is said but the suggested beginning follows the suggestion', () => {
  const typed = { above: 300_000 };
  const priced = { above: 200_000, input_price: '5' };
  const rows = [{ above: 200_000 }, typed, priced, undefined];
  expect(suggestedTiers(rows, 200_000, 128_000)).toEqual([{ above: 128_000 }, typed, priced, undefined]);
  expect(suggestedTiers(rows, 200_000, undefined)).toEqual([{}, typed, priced, undefined]);
  expect(suggestedTiers(rows, undefined, 128_000)).toEqual(rows);
  // Added before it was known where it begins.
  expect(suggestedTiers([{}, {}], undefined, 128_000)).toEqual([{ above: 128_000 }, {}]);
});
