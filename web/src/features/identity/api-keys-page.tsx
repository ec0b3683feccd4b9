import { KeyOutlined, PlusOutlined } from '@ant-design/icons';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { App, Button, Popover, Tag, type TableColumnsType } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { modelsQuery } from '@/api/gateway';
import { apiKeysQuery, useRevokeApiKey } from '@/api/identity';
import type { ApiKey } from '@/api/types';
import { DataTable } from '@/components/data-table';
import { CodeBlock } from '@/components/code-block';
import { Page, Section } from '@/components/page';
import { EmptyState, LoadMore, QueryState } from '@/components/states';
import { StatusDot } from '@/components/status-dot';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { useRightText } from './admin/rights';
import { ApiKeyForm } from './api-key-form';
import { ApiKeyMenu } from './api-key-menu';
import styles from './api-keys.module.css';

export function ApiKeysPage() {
  const { t } = useTranslation();
  const query = useInfiniteQuery(apiKeysQuery);
  const [creating, setCreating] = useState(false);
  const models = useQuery(modelsQuery);
  const chat = (models.data?.items ?? []).filter((item) => item.kind === 'chat' && item.available);
  const model = chat.find((item) => item.is_default) ?? chat[0];
  const keys = query.data?.pages.flatMap((page) => page.items) ?? [];
  const create = (
    <Button type="primary" icon={<PlusOutlined />} onClick={() => setCreating(true)}>
      {t('keys.create')}
    </Button>
  );
  return (
    <Page title={t('keys.title')} description={t('keys.intro')} actions={keys.length > 0 && create}>
      <QueryState query={query}>
        {() =>
          keys.length === 0 ? (
            <EmptyState icon={<KeyOutlined />} title={t('keys.empty')} hint={t('keys.emptyHint')} action={create} />
          ) : (
            <>
              <KeyTable keys={keys} />
              <LoadMore query={query} />
            </>
          )
        }
      </QueryState>
      <br />
      <Section title={t('keys.example')} description={t('keys.exampleHint')}>
        <CodeBlock language="python" code={pythonExample(window.location.origin, model?.name ?? 'model')} />
        <CodeBlock language="bash" code={curlExample(window.location.origin)} />
      </Section>
      <ApiKeyForm open={creating} onClose={() => setCreating(false)} />
    </Page>
  );
}

function KeyTable({ keys }: { keys: ApiKey[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const describe = useDescribe();
  const { modal, message: toast } = App.useApp();
  const revoke = useRevokeApiKey();
  const ask = (key: ApiKey) =>
    void modal.confirm({
      title: t('keys.revoke'),
      content: t('keys.revokeHint', { name: key.name }),
      okText: t('keys.revoke'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () => revoke.mutateAsync(key.id).catch((error: unknown) => void toast.error(describe(error))),
    });
  const right = useRightText();
  const columns: TableColumnsType<ApiKey> = [
    {
      title: t('keys.name'),
      key: 'name',
      render: (_, key) => (
        <>
          <strong>{key.name}</strong>
          <small className={styles.note}>{format.date(key.created_at)}</small>
        </>
      ),
    },
    {
      title: t('keys.key'),
      key: 'hint',
      render: (_, key) => (
        <>
          <code>lyc_…{key.hint.slice(-4)}</code>
          {key.previous && (
            <small className={styles.note}>
              {t('keyMore.previous', { hint: key.previous.hint.slice(-4), date: format.dateTime(key.previous.expires_at) })}
            </small>
          )}
        </>
      ),
    },
    {
      title: t('keyMore.rights'),
      key: 'rights',
      render: (_, key) => (
        <div className={styles.tags}>
          {key.permissions.slice(0, 3).map((name) => (
            <Tag key={name}>{right.pattern(name)}</Tag>
          ))}
          {key.permissions.length > 3 && <Tag>+{key.permissions.length - 3}</Tag>}
          {key.models && <OnlyModels names={key.models} />}
          {key.allowed_addresses.length > 0 && (
            <small className={styles.note}>{t('keyMore.from', { addresses: key.allowed_addresses.join(', ') })}</small>
          )}
        </div>
      ),
    },
    {
      title: t('common.status'),
      dataIndex: 'status',
      render: (status: string) => (
        <StatusDot tone={status === 'active' ? 'ok' : 'off'}>
          {status === 'active' ? t('keys.active') : status === 'expired' ? t('keys.expired') : status === 'inactive' ? t('keys.inactive') : t('keys.revoked')}
        </StatusDot>
      ),
    },
    {
      title: t('keys.lastUsed'),
      dataIndex: 'last_used_at',
      render: (value?: string | null) => (value ? format.relative(value) : t('keys.never')),
    },
    {
      title: t('keys.expires'),
      dataIndex: 'expires_at',
      render: (value?: string | null) => (value ? format.date(value) : t('keys.never')),
    },
    {
      title: <span className="visually-hidden">{t('common.actions')}</span>,
      key: 'actions',
      align: 'end',
      render: (_, key) =>
        key.status !== 'revoked' && (
          <>
            <Button size="small" danger onClick={() => ask(key)}>
              {t('keys.revoke')}
            </Button>
            <ApiKeyMenu apiKey={key} />
          </>
        ),
    },
  ];
  return <DataTable rowKey="id" columns={columns} dataSource={keys} />;
}

/** How many names of models stand in the table. */
const SHOWN = 5;

/** The models that a key is limited to: some of the names and how many more there are, with all of them on request. */
export function OnlyModels({ names }: { names: string[] }) {
  const { t } = useTranslation();
  if (names.length <= SHOWN) return <small className={styles.note}>{t('keyMore.only', { models: names.join(', ') })}</small>;
  const some = [...names.slice(0, SHOWN), `+${names.length - SHOWN}`].join(', ');
  return (
    <Popover trigger={['hover', 'focus']} content={<div className={styles.names}>{names.join(', ')}</div>}>
      <Button type="text" size="small" className={styles.more}>
        {t('keyMore.only', { models: some })}
      </Button>
    </Popover>
  );
}

function pythonExample(origin: string, model: string): string {
  return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="lyc_…")

for model in client.models.list():
    print(model.id)

stream = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for event in stream:
    if event.choices:
        print(event.choices[0].delta.content or "", end="")`;
}

function curlExample(origin: string): string {
  return `curl ${origin}/v1/models -H "Authorization: Bearer lyc_…"`;
}
