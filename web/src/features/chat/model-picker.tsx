import { useQuery } from '@tanstack/react-query';
import { Select } from 'antd';
import { useTranslation } from 'react-i18next';
import { modelsQuery } from '@/api/gateway';
import type { Model } from '@/api/types';
import styles from './chat.module.css';

interface ModelPickerProps {
  value: string | null | undefined;
  onChange: (id: string) => void;
}

/** The model that answers when nobody chose: the caller's default, else the first that can. */
export function defaultModel(models: Model[]): Model | undefined {
  const usable = models.filter((model) => model.kind === 'chat' && model.is_active && model.available);
  return usable.find((model) => model.is_default) ?? usable[0];
}

export function ModelPicker({ value, onChange }: ModelPickerProps) {
  const { t } = useTranslation();
  const models = useQuery(modelsQuery);
  const chat = (models.data?.items ?? []).filter((model) => model.kind === 'chat' && model.is_active);
  const source = (model: Model) => model.provider_config_name ?? model.provider;
  const groups = [...new Set(chat.map(source))];
  const selected = value ?? defaultModel(chat)?.id;
  const placeholder = models.isPending ? t('chat.loadingModels') : t('chat.noModel');
  return (
    <Select
      aria-label={t('chat.model')}
      className={styles.picker}
      variant="borderless"
      popupMatchSelectWidth={false}
      loading={models.isPending}
      placeholder={placeholder}
      // The id of a model that is not there (yet) says nothing to a person.
      value={chat.some((model) => model.id === selected) ? selected : null}
      onChange={(id: string | null | undefined) => id && onChange(id)}
      showSearch={chat.length > 8 ? { optionFilterProp: 'label' } : false}
      options={groups.map((provider) => ({
        label: provider === 'local' ? t('chat.localModels') : provider === 'route' ? t('routes.title') : provider,
        title: provider,
        options: chat
          .filter((model) => source(model) === provider)
          .map((model) => ({
            value: model.id,
            label: model.available ? model.name : t('chat.unavailableModel', { name: model.name }),
            disabled: !model.available,
          })),
      }))}
    />
  );
}
