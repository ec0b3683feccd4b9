import { QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { App } from 'antd';
import { beforeAll, expect, test, vi } from 'vitest';
import { queryClient } from '@/api/query-client';
import type { Citation, Message } from '@/api/types';
import { showLanguage } from '@/lib/i18n';
import { MessageItem } from './message-item';

beforeAll(() => showLanguage('en'));

const citation = (index: number, more: Partial<Citation> = {}): Citation => ({
  index,
  chunk_id: `c${index}`,
  document_id: 'd',
  document_title: `Document ${index}`,
  start_offset: 0,
  end_offset: 9,
  snippet: 'Nine words.',
  cited: true,
  ...more,
});

function show(more: Partial<Message>) {
  const onPassage = vi.fn();
  const handlers = { onEdit: () => Promise.resolve(true), onRegenerate: vi.fn(), onBranch: vi.fn(), onExplain: vi.fn(), onPassage };
  const message: Message = {
    id: 'm',
    conversation_id: 'c',
    sequence_number: 2,
    role: 'assistant',
    content: 'It opens at nine. It closes at ten.',
    status: 'completed',
    citations: [],
    siblings: ['m'],
    created_at: '2026-11-29T12:00:00Z',
    ...more,
  };
  render(
    <QueryClientProvider client={queryClient}>
      <App>
        <MessageItem message={message} handlers={handlers} busy={false} />
      </App>
    </QueryClientProvider>,
  );
  return onPassage;
}

test('an answer of two passages shows both, in the text and below it', async () => {
  const citations = [citation(1, { marks: [17], page: 3 }), citation(4, { marks: [35], section: 2 })];
  const onPassage = show({ citations });
  const sources = screen.getByRole('group', { name: 'Sources' });
  expect([...sources.querySelectorAll('button')].map((chip) => chip.textContent)).toEqual(['1Document 1page 3', '4Document 4part 2']);
  const marks = [...document.querySelectorAll('sup button')];
  expect(marks.map((mark) => mark.textContent)).toEqual(['1', '4']);
  if (marks[1]) await userEvent.click(marks[1]);
  expect(onPassage).toHaveBeenCalledWith(citations[1]);
});

test('passages that nothing was taken from are called so', () => {
  show({ finish_reason: 'not_found', citations: [citation(1, { cited: false })] });
  const nearest = screen.getByRole('group', { name: 'The nearest passages, not cited:' });
  expect(nearest.querySelector('button')?.textContent).toBe('Document 1');
});

test('an answer that no passage supports is told from one that says so itself', () => {
  show({ finish_reason: 'stop', citations: [citation(1, { cited: false })] });
  expect(screen.getByRole('group').textContent).toContain('No passage says what this answer says.');
});

test('while it is written, an answer shows what it has used so far', () => {
  vi.stubGlobal('fetch', () => new Promise(() => undefined));
  show({ status: 'streaming', citations: [citation(1), citation(2, { cited: false })] });
  expect(screen.getByRole('status').textContent).toBe('Writing…');
  expect(screen.getByRole('group').querySelectorAll('button')).toHaveLength(1);
  vi.unstubAllGlobals();
});
