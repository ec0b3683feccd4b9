import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Alert, Descriptions } from 'antd';
import { useTranslation } from 'react-i18next';
import { usageCallQuery } from '@/api/gateway';
import { QueryState } from '@/components/states';
import { describeCode } from '@/lib/use-describe';
import { usePermits } from '@/components/use-permits';
import { useFormat } from '@/lib/use-format';
import { CallPayloadView } from './call-payload';
import { purposeKey, statusKey } from './usage-data';

export function CallDetails({ id }: { id: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const may = usePermits();
  const query = useQuery(usageCallQuery(id));
  const call = query.data;
  const purpose = purposeKey(call?.purpose ?? '');
  const status = statusKey(call?.status ?? '');
  return (
    <QueryState query={query}>
      {() =>
        call && (
          <>
            {call.error_code && (
              <Alert type="error" showIcon title={call.error_code === 'interrupted' ? t('spend.interrupted') : describeCode(call.error_code, '') || call.error_code} style={{ marginBottom: 16 }} />
            )}
            <Descriptions
              column={1}
              size="small"
              bordered
              items={[
                { key: 'time', label: t('usage.time'), children: format.dateTime(call.created_at) },
                { key: 'user', label: t('usage.groups.user'), children: call.user ?? '—' },
                ...(call.end_user ? [{ key: 'end-user', label: t('spend.endUser'), children: call.end_user }] : []),
                { key: 'purpose', label: t('usage.purpose'), children: purpose ? t(`usage.purposes.${purpose}`) : call.purpose },
                { key: 'model', label: t('usage.groups.model'), children: call.model },
                ...(call.requested_model === call.model || call.requested_model === call.route ? [] : [{ key: 'asked', label: t('spend.asked'), children: call.requested_model }]),
                ...(call.route ? [{ key: 'route', label: t('spend.route'), children: call.route }] : []),
                ...(call.attempt > 1 ? [{ key: 'attempt', label: t('spend.attempt'), children: format.number(call.attempt) }] : []),
                { key: 'provider', label: t('usage.groups.provider'), children: call.provider },
                { key: 'in', label: t('usage.promptTokens'), children: format.number(call.prompt_tokens) },
                { key: 'out', label: t('usage.completionTokens'), children: format.number(call.completion_tokens) },
                ...(call.cached_tokens > 0
                  ? [{ key: 'cached', label: t('spend.cachedTokens'), children: format.number(call.cached_tokens) }]
                  : []),
                ...(call.reasoning_tokens > 0
                  ? [{ key: 'reasoning', label: t('spend.reasoningTokens'), children: format.number(call.reasoning_tokens) }]
                  : []),
                { key: 'counted', label: t('usage.counted'), children: call.estimated ? t('usage.estimated') : t('usage.reported') },
                ...(call.cache_hit ? [{ key: 'cache', label: t('answerCache.answer'), children: t('answerCache.hitHint') }] : []),
                { key: 'cost', label: t('usage.cost'), children: format.cost(call.cost) },
                { key: 'first', label: t('usage.firstToken'), children: format.duration(call.first_token_ms) },
                { key: 'latency', label: t('usage.latency'), children: format.duration(call.latency_ms) },
                { key: 'status', label: t('common.status'), children: status ? t(`usage.statuses.${status}`) : call.status },
                { key: 'request', label: t('usage.requestId'), children: <code>{call.request_id}</code> },
                ...(call.conversation_id
                  ? [
                      {
                        key: 'conversation',
                        label: t('usage.conversation'),
                        children: (
                          <Link to="/chat/$conversationId" params={{ conversationId: call.conversation_id }}>
                            {t('usage.openConversation')}
                          </Link>
                        ),
                      },
                    ]
                  : []),
              ]}
            />
            {may('payload:read') && <CallPayloadView key={id} id={id} />}
          </>
        )
      }
    </QueryState>
  );
}
