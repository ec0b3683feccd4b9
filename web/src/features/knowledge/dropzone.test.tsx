import { fireEvent, render, screen, waitFor } from '@testing-library/react';
import { beforeAll, expect, test, vi } from 'vitest';
import { showLanguage } from '@/lib/i18n';
import { Dropzone } from './dropzone';

beforeAll(() => showLanguage('en'));

test('whatever is dropped is taken, for the server says what it cannot read', async () => {
  const take = vi.fn();
  const { container } = render(<Dropzone onFiles={take} />);
  const files = ['photo.png', 'notes.log', 'table.tsv'].map((name) => new File(['x'], name));
  fireEvent.drop(screen.getByText('Drop files here, or click to choose'), { dataTransfer: { files, items: [] } });
  await waitFor(() => expect(take).toHaveBeenCalledTimes(1));
  expect((take.mock.calls[0]?.[0] as File[]).map(({ name }) => name)).toEqual(['photo.png', 'notes.log', 'table.tsv']);
  const offered = container.querySelector('input')?.accept.split(',');
  expect(offered).toEqual(expect.arrayContaining(['.pdf', '.log', '.tsv']));
});
