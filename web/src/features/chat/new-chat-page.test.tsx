import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { meQuery } from '@/api/identity';
import { queryClient } from '@/api/query-client';
import type { Me } from '@/api/types';
import { renderPage, setUpApp } from '@/components/test-app';
import { en } from '@/locales/en';
import { NewChatPage } from './new-chat-page';

setUpApp();

const BASES = [
  { id: 'b1', name: 'Handbook', level: 'own' },
  { id: 'b2', name: 'Only to be seen', level: 'view' },
  { id: 'b3', name: 'Minutes', level: 'use' },
];

function answer(url: string): Response {
  if (url.includes('/models')) return Response.json({ items: [] });
  const base = BASES.find(({ id }) => url.endsWith(`/knowledge-bases/${id}`));
  if (base) return Response.json(base);
  if (url.includes('/knowledge-bases/')) return Response.json({ code: 'not_found', detail: 'It is gone.' }, { status: 404 });
  return Response.json({ items: BASES });
}

/** Opens the page, whose person kept two bases and one that is gone; they can be looked up once they are `known`. */
function open(address: string, known: Promise<void> = Promise.resolve()) {
  const made: unknown[] = [];
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    if (init.method !== 'POST') {
      return url.includes('/knowledge-bases/') ? known.then(() => answer(url)) : Promise.resolve(answer(url));
    }
    made.push(JSON.parse(init.body as string));
    return Promise.resolve(Response.json({ code: 'no_model', detail: 'No model can answer.' }, { status: 422 }));
  });
  const preferences = { chat: { knowledge_base_ids: ['b1', 'b2', 'b9'] } };
  queryClient.setQueryData(meQuery.queryKey, { username: 'ada', permissions: [], preferences } as unknown as Me);
  renderPage('/chat', NewChatPage, address);
  return made;
}

const field = () => screen.findByRole('textbox', { name: 'Ask anything' });

async function ask() {
  await userEvent.type(await field(), 'When does it open?{Enter}');
}

/** What is sent is refused here, so the question stands in the field again. */
async function expectRefusal() {
  expect(await screen.findByText('No model can answer.')).toBeDefined();
  expect(await field()).toHaveProperty('value', 'When does it open?');
}

test('a new chat asks the bases that were kept, as far as they can be asked', async () => {
  const made = open('/chat');
  expect(await screen.findByRole('button', { name: /Handbook/ })).toBeDefined();
  await ask();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b1'] }]));
  await expectRefusal();
});

test('a question that is sent before the bases are known goes out with them', async () => {
  let look = () => {};
  const made = open('/chat', new Promise((resolve) => (look = resolve)));
  await ask();
  expect(await field()).toHaveProperty('value', '');
  expect(screen.getByRole('button', { name: 'Send' }).classList).toContain('ant-btn-loading');
  // What is chosen now is for the next question.
  await userEvent.click(screen.getByRole('button', { name: /Knowledge/ }));
  await userEvent.click(await screen.findByRole('checkbox', { name: 'Minutes' }));
  expect(made).toEqual([]);
  look();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b1'] }]));
  await expectRefusal();
});

test('a base that the address names takes their place', async () => {
  const made = open('/chat?base=b3');
  expect(await screen.findByRole('button', { name: /Minutes/ })).toBeDefined();
  await ask();
  await waitFor(() => expect(made).toEqual([{ model_config_id: null, knowledge_base_ids: ['b3'] }]));
  await expectRefusal();
});

test('an idea stands after what was typed, and gives way to the next one unless it was changed', async () => {
  open('/chat');
  const choose = (idea: RegExp) => userEvent.click(screen.getByRole('button', { name: idea }));
  const { codePrompt, explainPrompt, translatePrompt } = en.chat.ideas;
  await userEvent.type(await field(), 'For Bo:');
  await choose(/^Explain something/);
  expect(await field()).toHaveProperty('value', `For Bo:\n\n${explainPrompt}`);
  expect(document.activeElement).toBe(await field());
  await choose(/^Write code/);
  expect(await field()).toHaveProperty('value', `For Bo:\n\n${codePrompt}`);
  await userEvent.type(await field(), ' Now.');
  await choose(/^Translate/);
  expect(await field()).toHaveProperty('value', `For Bo:\n\n${codePrompt} Now.\n\n${translatePrompt}`);
});
