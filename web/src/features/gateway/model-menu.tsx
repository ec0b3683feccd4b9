import { MoreOutlined } from '@ant-design/icons';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Button, Dropdown } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useSaveModel } from '@/api/gateway';
import { rateLimitsQuery, ratePath } from '@/api/limits';
import type { Model } from '@/api/types';
import { useAct } from '@/lib/use-act';
import { usePermits } from '@/components/use-permits';
import { RateForm } from '@/components/rate-form';

/** What else can be done with a model. */
export function ModelMenu({ model, onPrices }: { model: Model; onPrices: () => void }) {
  const { t } = useTranslation();
  const may = usePermits();
  const { said } = useAct();
  const save = useSaveModel();
  const [limiting, setLimiting] = useState(false);
  const change = (body: Partial<Pick<Model, 'is_default' | 'is_organization_default' | 'is_active'>>) =>
    save.mutate({ id: model.id, ...body }, said());
  const manages = may('organization_provider:manage');
  const items = [
    // A route costs what its models cost.
    ...(model.provider === 'route' ? [] : [{ key: 'prices', label: t('prices.title'), onClick: onPrices }]),
    // Nobody's default is what they cannot call.
    ...(may('model:write') && (model.available || model.is_default)
      ? [
          {
            key: 'default',
            label: model.is_default ? t('prices.notMyDefault') : t('models.makeDefault'),
            onClick: () => change({ is_default: !model.is_default }),
          },
        ]
      : []),
    ...(manages && model.scope !== 'personal' && (model.is_active || model.is_organization_default)
      ? [
          {
            key: 'organization',
            label: model.is_organization_default ? t('prices.notDefault') : t('prices.makeDefault'),
            onClick: () => change({ is_organization_default: !model.is_organization_default }),
          },
        ]
      : []),
    ...(model.editable
      ? [
          {
            key: 'active',
            label: model.is_active ? t('prices.switchOff') : t('prices.switchOn'),
            onClick: () => change({ is_active: !model.is_active }),
          },
        ]
      : []),
    ...(may('quota:manage') ? [{ key: 'rate', label: t('limits.rate'), onClick: () => setLimiting(true) }] : []),
  ];
  return (
    <>
      <Dropdown trigger={['click']} menu={{ items }}>
        <Button type="text" icon={<MoreOutlined />} aria-label={t('prices.more', { name: model.name })} />
      </Dropdown>
      {limiting && <ModelRate model={model} onClose={() => setLimiting(false)} />}
    </>
  );
}

function ModelRate({ model, onClose }: { model: Model; onClose: () => void }) {
  const query = useInfiniteQuery(rateLimitsQuery);
  if (query.isPending) return null;
  const rates = query.data?.pages.flatMap((page) => page.items) ?? [];
  const limit = rates.find((rate) => rate.scope === 'model' && rate.subject_id === model.id);
  return <RateForm limit={limit} fixed={{ path: ratePath('models', model.id), name: model.name }} onClose={onClose} />;
}
