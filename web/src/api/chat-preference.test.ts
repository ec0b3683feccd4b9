import { expect, test } from 'vitest';
import { chatPreference } from './chat-preference';

test('what is no preference of chats is as if there were none', () => {
  const usual = { send_with: 'enter', knowledge_base_ids: [] };
  for (const stored of [undefined, null, 'enter', 7, [], { send_with: 'Enter', knowledge_base_ids: 'b1' }]) {
    expect(chatPreference(stored)).toEqual(usual);
  }
});

test('what is valid is taken', () => {
  const stored = { send_with: 'ctrl_enter', knowledge_base_ids: ['b1', 2, 'b3', 'b1'], model: 'any' };
  expect(chatPreference(stored)).toEqual({ send_with: 'ctrl_enter', knowledge_base_ids: ['b1', 'b3'] });
});
