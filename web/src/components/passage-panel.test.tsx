import { QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import { showLanguage } from '@/lib/i18n';
import { PassagePanel } from './passage-panel';

beforeAll(async () => {
  await showLanguage('en');
  // What jsdom does not have.
  Element.prototype.scrollIntoView = vi.fn();
});

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

const TEXTS: Record<string, string> = { 1: 'It opened in 1931.', 3: 'Logs are kept for nine years.' };

function answer(url: string): Response {
  const page = new URL(url, 'http://localhost').searchParams.get('page') ?? '';
  const text = TEXTS[page];
  if (text === undefined) return Response.json({ code: 'not_found', detail: 'There is no such page.' }, { status: 404 });
  return Response.json({ document_id: 'd', page: Number(page), page_count: 3, has_pages: true, text, headings: [] });
}

test('a page without text is no dead end', async () => {
  vi.stubGlobal('fetch', (url: string) => Promise.resolve(answer(url)));
  vi.stubGlobal('matchMedia', () => ({ matches: true, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  const passage = { chunk_id: 'c', document_id: 'd', document_title: 'Handbook', page: 3, start_offset: 0, end_offset: 4 };
  render(
    <QueryClientProvider client={queryClient}>
      <PassagePanel passage={passage} onClose={vi.fn()} />
    </QueryClientProvider>,
  );
  expect((await screen.findByText('Logs')).tagName).toBe('MARK');
  await userEvent.click(screen.getByRole('button', { name: 'Previous page' }));
  expect(await screen.findByText('There is no text on this page.')).toBeDefined();
  expect(screen.queryByRole('alert')).toBeNull();
  expect(screen.getByText('page 2 of 3')).toBeDefined();
  await userEvent.click(screen.getByRole('button', { name: 'Previous page' }));
  expect(await screen.findByText('It opened in 1931.')).toBeDefined();
});
