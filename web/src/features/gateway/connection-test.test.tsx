import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import { ConnectionTest } from './connection-test';

setUpApp();

test('the keyboard, too, reaches what a test may cost', async () => {
  renderInApp(<ConnectionTest id="p1" />);
  const button = screen.getByRole('button', { name: 'Test the connection' });
  await userEvent.tab();
  expect(document.activeElement).toBe(button);
  expect(await screen.findByRole('tooltip')).toHaveProperty('textContent', expect.stringContaining('may cost a little'));
  await waitFor(() =>
    expect(screen.getByRole('button', { name: 'Test the connection', description: /may cost a little/ })).toBe(button),
  );
});
