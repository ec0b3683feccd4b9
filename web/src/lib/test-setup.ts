import { cleanup } from '@testing-library/react';
import { afterEach, beforeEach, expect, vi, type MockInstance } from 'vitest';

// Fields take their height from their borders, whose width jsdom calls "medium" where there is none.
const sizing = document.createElement('style');
sizing.textContent = 'textarea { box-sizing: content-box !important; }';
document.head.append(sizing);

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
