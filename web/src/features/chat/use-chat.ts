import { useQueryClient } from '@tanstack/react-query';
import { App } from 'antd';
import { useState } from 'react';
import { appendMessages, postMessage, regenerateMessage, stopMessage, type NewMessage } from '@/api/chat';
import type { Message } from '@/api/types';
import { useDescribe } from '@/lib/use-describe';

/** The actions of one conversation. Failures are told and leave everything as it was. */
export function useChat(conversationId: string) {
  const client = useQueryClient();
  const { message: toast } = App.useApp();
  const describe = useDescribe();
  const [sending, setSending] = useState(false);

  async function guarded(work: () => Promise<void>): Promise<boolean> {
    setSending(true);
    try {
      await work();
      return true;
    } catch (error) {
      toast.error(describe(error));
      return false;
    } finally {
      setSending(false);
    }
  }

  return {
    sending,
    send: (body: NewMessage) =>
      guarded(async () => {
        const sent = await postMessage(conversationId, body);
        appendMessages(client, conversationId, sent.user_message.parent_id, [
          sent.user_message,
          sent.assistant_message,
        ]);
        void client.invalidateQueries({ queryKey: ['conversations', 'list'] });
      }),
    regenerate: (message: Message) =>
      guarded(async () => {
        const { assistant_message } = await regenerateMessage(message.id);
        appendMessages(client, conversationId, assistant_message.parent_id, [assistant_message]);
      }),
    stop: (id: string) => guarded(() => stopMessage(id)),
  };
}
