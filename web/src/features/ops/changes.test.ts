import { expect, test } from 'vitest';
import { changes } from './changes';

test('only what differs is listed, by name', () => {
  expect(changes({ name: 'a', size: 1, tags: ['x'] }, { name: 'b', size: 1, tags: ['x'], note: null })).toEqual([
    { field: 'name', old: 'a', now: 'b' },
    { field: 'note', old: undefined, now: null },
  ]);
});

test('creation and deletion have one side', () => {
  expect(changes(null, { name: 'a' })).toEqual([{ field: 'name', old: undefined, now: 'a' }]);
  expect(changes({ name: 'a' }, undefined)).toEqual([{ field: 'name', old: 'a', now: undefined }]);
});
