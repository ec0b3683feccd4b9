import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import { BreakdownTable } from './breakdown-table';
import { NOTHING } from './usage-data';

setUpApp();

test('an end user leads to their calls alone, whatever they are called, and the calls without one to nothing', async () => {
  const onPick = vi.fn();
  const rows = ['none', 'customer-1', ''].map((key) => ({ ...NOTHING, key, calls: 1 }));
  renderInApp(<BreakdownTable rows={rows} group="end_user" onPick={onPick} />);
  const names = screen.getAllByRole('button', { name: /^Only / }).map((button) => button.textContent);
  expect(names).toEqual(['none', 'customer-1']);
  expect(screen.getByText('Without an end user').closest('button')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Only none' }));
  expect(onPick).toHaveBeenCalledWith({ end_user: 'none' });
});
