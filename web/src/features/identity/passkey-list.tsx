import { DeleteOutlined, EditOutlined, KeyOutlined, PlusOutlined } from '@ant-design/icons';
import { useQuery } from '@tanstack/react-query';
import { Alert, App, Button, Form, Input, Modal } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { deletePasskey, passkeysQuery, useFactorAct, useRenamePasskey } from '@/api/account';
import type { NewPasskey, Passkey } from '@/api/types';
import { Section } from '@/components/page';
import { QueryState } from '@/components/states';
import { useDescribe } from '@/lib/use-describe';
import { useFormat } from '@/lib/use-format';
import { passkeysWork } from '@/lib/webauthn';
import { useConfirmed, useTellFailure } from './confirm-identity';
import { PasskeyForm } from './passkey-form';
import styles from './profile.module.css';
import { RecoveryCodesDialog } from './recovery-codes';

export function PasskeyList() {
  const { t } = useTranslation();
  const { message: toast } = App.useApp();
  const query = useQuery(passkeysQuery);
  const [adding, setAdding] = useState(false);
  const [renamed, setRenamed] = useState<Passkey>();
  const [codes, setCodes] = useState<string[]>();
  const works = passkeysWork();
  const made = ({ recovery_codes }: NewPasskey) => {
    setAdding(false);
    void toast.success(t('passkeys.made'));
    if (recovery_codes) setCodes(recovery_codes);
  };
  const add = (
    <Button icon={<PlusOutlined />} onClick={() => setAdding(true)}>
      {t('passkeys.add')}
    </Button>
  );
  return (
    <Section title={t('passkeys.title')} description={t('passkeys.hint')} extra={works && add}>
      {!works && <Alert className={styles.alert} type="info" showIcon title={t('passkeys.unsupported')} />}
      <QueryState query={query}>
        {() =>
          query.data?.items.length === 0 ? (
            <p className={styles.none}>{t('passkeys.empty')}</p>
          ) : (
            <ul className={styles.list}>
              {query.data?.items.map((passkey) => (
                <PasskeyRow key={passkey.id} passkey={passkey} onRename={() => setRenamed(passkey)} />
              ))}
            </ul>
          )
        }
      </QueryState>
      <PasskeyForm open={adding} onClose={() => setAdding(false)} onMade={made} />
      <RenameForm passkey={renamed} onClose={() => setRenamed(undefined)} />
      <RecoveryCodesDialog codes={codes} onClose={() => setCodes(undefined)} />
    </Section>
  );
}

function PasskeyRow({ passkey, onRename }: { passkey: Passkey; onRename: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { modal, message: toast } = App.useApp();
  const confirmed = useConfirmed();
  const tellFailure = useTellFailure();
  const remove = useFactorAct<unknown>();
  const { id, name, last_used_at, created_at, backed_up } = passkey;
  const facts = [
    t('passkeys.created', { date: format.date(created_at) }),
    last_used_at ? t('passkeys.used', { when: format.relative(last_used_at) }) : t('passkeys.neverUsed'),
    ...(backed_up ? [t('passkeys.backedUp')] : []),
  ];
  const ask = () =>
    void modal.confirm({
      title: t('passkeys.delete'),
      content: t('passkeys.deleteHint', { name }),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      onOk: () =>
        remove.mutate(() => confirmed(() => deletePasskey(id)), {
          onSuccess: () => void toast.success(t('passkeys.deleted')),
          onError: tellFailure,
        }),
    });
  return (
    <li>
      <KeyOutlined aria-hidden />
      <span className={styles.what}>
        <span>{name}</span>
        <small>{facts.join(' · ')}</small>
      </span>
      <Button type="text" icon={<EditOutlined />} aria-label={t('passkeys.renameNamed', { name })} onClick={onRename} />
      <Button
        type="text"
        danger
        icon={<DeleteOutlined />}
        loading={remove.isPending}
        aria-label={t('common.deleteNamed', { name })}
        onClick={ask}
      />
    </li>
  );
}

function RenameForm({ passkey, onClose }: { passkey: Passkey | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const { message: toast } = App.useApp();
  const [form] = Form.useForm<{ name: string }>();
  const rename = useRenamePasskey();
  const submit = ({ name }: { name: string }) =>
    passkey &&
    rename.mutate(
      { id: passkey.id, name: name.trim() },
      { onSuccess: onClose, onError: (error) => void toast.error(describe(error)) },
    );
  return (
    <Modal
      open={passkey !== undefined}
      title={t('passkeys.rename')}
      okText={t('common.save')}
      cancelText={t('common.cancel')}
      confirmLoading={rename.isPending}
      onOk={() => form.submit()}
      onCancel={onClose}
      destroyOnHidden
    >
      <Form form={form} layout="vertical" requiredMark={false} preserve={false} initialValues={{ name: passkey?.name }} onFinish={submit}>
        <Form.Item name="name" label={t('passkeys.name')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
          <Input maxLength={100} autoFocus />
        </Form.Item>
      </Form>
    </Modal>
  );
}
