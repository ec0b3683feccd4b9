import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import { OnlyModels } from './api-keys-page';

setUpApp();

test('names that do not stand in the table are reached by the keyboard', async () => {
  renderInApp(<OnlyModels names={['a', 'b', 'c', 'd', 'e', 'f', 'g']} />);
  expect(screen.getByRole('button').textContent).toBe('Only a, b, c, d, e, +2');
  await userEvent.tab();
  expect(await screen.findByText('a, b, c, d, e, f, g')).toBeDefined();
});

test('few names all stand there', () => {
  renderInApp(<OnlyModels names={['a', 'b']} />);
  expect(screen.getByText('Only a, b')).toBeDefined();
  expect(screen.queryByRole('button')).toBeNull();
});
