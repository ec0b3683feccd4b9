import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, expect, vi } from 'vitest';

// React and Ant Design write here what they find wrong; it is wrong in every browser, too.
beforeEach(() => void vi.spyOn(console, 'error'));

afterEach(() => {
  cleanup();
  expect(vi.mocked(console.error).mock.calls).toEqual([]);
  vi.restoreAllMocks();
});
