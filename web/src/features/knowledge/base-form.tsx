import { useQuery } from '@tanstack/react-query';
import { Alert, Collapse, Form, Input, InputNumber, Modal, Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { modelsQuery } from '@/api/gateway';
import { useSaveKnowledgeBase, type KnowledgeBaseInput } from '@/api/knowledge';
import type { KnowledgeBase } from '@/api/types';
import { useDescribe } from '@/lib/use-describe';

interface BaseFormProps {
  /** The base to change; without it a new one is made. */
  base?: KnowledgeBase | undefined;
  open: boolean;
  onClose: () => void;
  onSaved: (base: KnowledgeBase) => void;
}

export const MAX_NAME = 100;

export function BaseForm({ base, open, onClose, onSaved }: BaseFormProps) {
  const { t } = useTranslation();
  const describe = useDescribe();
  const [form] = Form.useForm<KnowledgeBaseInput>();
  const save = useSaveKnowledgeBase();
  const submit = async () => {
    const values = await form.validateFields();
    save.mutate(base ? { id: base.id, name: values.name, description: values.description ?? '' } : values, {
      onSuccess: onSaved,
    });
  };
  return (
    <Modal
      open={open}
      title={base ? t('knowledge.edit') : t('knowledge.create')}
      okText={base ? t('common.save') : t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={save.isPending}
      onCancel={onClose}
      onOk={() => void submit()}
      destroyOnHidden
    >
      <Form
        form={form}
        layout="vertical"
        preserve={false}
        initialValues={{ name: base?.name, description: base?.description ?? undefined }}
        onFinish={() => void submit()}
      >
        {save.isError && <Alert type="error" showIcon title={describe(save.error)} />}
        <Form.Item name="name" label={t('knowledge.name')} rules={[{ required: true, whitespace: true, message: t('common.required') }]}>
          <Input maxLength={MAX_NAME} autoFocus placeholder={t('knowledge.namePlaceholder')} />
        </Form.Item>
        <Form.Item name="description" label={t('knowledge.description')}>
          <Input.TextArea maxLength={1000} autoSize={{ minRows: 2, maxRows: 5 }} />
        </Form.Item>
        {!base && <Advanced />}
      </Form>
    </Modal>
  );
}

/** Fixed once chosen: the stored vectors depend on them. */
function Advanced() {
  const { t } = useTranslation();
  const models = useQuery(modelsQuery);
  const embedding = (models.data?.items ?? []).filter((model) => model.kind === 'embedding');
  return (
    <Collapse
      ghost
      size="small"
      items={[
        {
          key: 'advanced',
          label: t('knowledge.advanced'),
          children: (
            <>
              <Form.Item name="embedding_model" label={t('knowledge.embeddingModel')}>
                <Select
                  allowClear
                  placeholder={t('knowledge.embeddingDefault')}
                  options={embedding.map((model) => ({ value: model.id, label: model.name }))}
                />
              </Form.Item>
              <Form.Item name="chunk_size" label={t('knowledge.chunkSize')} extra={t('knowledge.chunkSizeHint')}>
                <InputNumber min={64} max={4096} step={64} placeholder="512" />
              </Form.Item>
              <Form.Item name="chunk_overlap" label={t('knowledge.chunkOverlap')}>
                <InputNumber min={0} max={1024} step={16} placeholder="64" />
              </Form.Item>
            </>
          ),
        },
      ]}
    />
  );
}
