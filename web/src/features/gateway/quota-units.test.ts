import { expect, test } from 'vitest';
import { fromAmounts, toAmounts } from './quota-units';

test('a quota goes to people’s units and back', () => {
  const resources = [
    { resource: 'storage_bytes', limit: '2500000000', used: '0', reserved: '0' },
    { resource: 'compute_seconds', limit: '5400', used: '0', reserved: '0' },
    { resource: 'cost', limit: '12.5', used: '0', reserved: '0' },
  ];
  expect(toAmounts(resources)).toMatchObject({ gigabytes: 2.5, hours: 1.5, max_cost: 12.5, max_tokens: undefined });
  expect(fromAmounts(toAmounts(resources))).toEqual({
    max_storage_bytes: 2_500_000_000,
    max_compute_seconds: 5400,
    max_cost: '12.5',
  });
});

test('nothing is a limit too, but an empty field is none', () => {
  expect(fromAmounts({ max_tokens: 0, hours: null })).toEqual({ max_tokens: 0 });
});
