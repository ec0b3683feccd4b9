import { QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { App } from 'antd';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endSession, queryClient } from '@/api/query-client';
import type { KnowledgeDocument } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { DocumentList } from './document-list';

beforeAll(() => showLanguage('en'));

afterEach(() => {
  endSession();
  vi.unstubAllGlobals();
});

const REASON = { code: 'model_not_installed', detail: 'The embedding model is not installed.' };

async function show(more: Partial<KnowledgeDocument>) {
  const document: KnowledgeDocument = {
    id: 'd',
    knowledge_base_id: 'b',
    title: 'Tides',
    filename: 'tides.pdf',
    mime_type: 'application/pdf',
    file_size: 10,
    status: 'processing',
    stage: 'embedding',
    progress: 10,
    chunk_count: 0,
    page_count: 3,
    has_pages: true,
    created_at: '2026-11-29T12:00:00Z',
    updated_at: '2026-11-29T12:00:00Z',
    ...more,
  };
  vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ items: [document] })));
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <DocumentList base="b" editable uploads={[]} onRetryUpload={vi.fn()} onRemoveUpload={vi.fn()} />
      </App>
    </QueryClientProvider>,
  );
  return (await screen.findByText('tides.pdf')).closest('li')?.textContent;
}

test('a document that waits for its next attempt says why', async () => {
  expect(await show({ error: REASON })).toContain(`${REASON.detail} It will be tried again.`);
});

test('one that failed says why, and promises nothing', async () => {
  const text = await show({ status: 'failed', error: REASON });
  expect(text).toContain(REASON.detail);
  expect(text).not.toContain('It will be tried again.');
});

test('one of which a part could not be read says which', async () => {
  const text = await show({ status: 'completed', stage: 'done', unread: ['2', '5–7'] });
  expect(text).toContain('Pages that could not be read, damaged or only pictures: 2, 5–7');
});
