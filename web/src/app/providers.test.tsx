import { render, screen } from '@testing-library/react';
import { ConfigProvider } from 'antd';
import { useContext } from 'react';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { showLanguage } from '@/lib/i18n';
import { Providers } from './providers';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  vi.unstubAllGlobals();
});

function Wave() {
  const { wave } = useContext(ConfigProvider.ConfigContext);
  return <p>{wave?.disabled ? 'no wave' : 'a wave'}</p>;
}

test.each([
  ['no wave', true],
  ['a wave', false],
])('there is %s around what is pressed where a wish for less motion is %s', (expected, reduced) => {
  vi.stubGlobal('matchMedia', (query: string) => ({
    matches: reduced && query.includes('prefers-reduced-motion'),
    addEventListener: vi.fn(),
    removeEventListener: vi.fn(),
  }));
  render(
    <Providers>
      <Wave />
    </Providers>,
  );
  expect(screen.getByText(expected)).toBeDefined();
});
