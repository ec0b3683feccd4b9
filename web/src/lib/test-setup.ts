import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, expect, vi, type MockInstance } from 'vitest';

// React and Ant Design write here what they find wrong; it is wrong in every browser, too.
let complaints: MockInstance<typeof console.error>;

beforeEach(() => {
  complaints = vi.spyOn(console, 'error');
});

afterEach(() => {
  cleanup();
  expect(complaints.mock.calls).toEqual([]);
  vi.restoreAllMocks();
});
