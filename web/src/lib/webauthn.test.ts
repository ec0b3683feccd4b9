import { expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from './webauthn';

test('bytes survive base64url, without padding and without + and /', () => {
  for (let length = 0; length < 70; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 91 + length * 37) % 256);
    const text = toBase64Url(bytes.buffer);
    expect(text).toMatch(/^[\w-]*$/);
    expect([...fromBase64Url(text)]).toEqual([...bytes]);
  }
  expect(toBase64Url(Uint8Array.of(0xfb, 0xff, 0xfe).buffer)).toBe('-__-');
});
