import { useTranslation } from 'react-i18next';
import type { UsageFilter } from '@/api/gateway';
import type { UsageGroup, UsageRow } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import { purposeKey } from './usage-data';

/** By what calls are summed up and picked, beside days. */
export type Dimension = Exclude<UsageGroup, 'day'>;

interface DimensionOf {
  /** The parameter that picks one of the groups. */
  param: keyof UsageFilter;
  /** What one group is. */
  title:
    | 'spend.model'
    | 'spend.provider'
    | 'spend.providerConfig'
    | 'usage.purpose'
    | 'spend.person'
    | 'spend.group'
    | 'spend.key'
    | 'spend.endUser';
  /** Only for those who see everybody's calls. */
  others: boolean;
}

export const DIMENSIONS: Record<Dimension, DimensionOf> = {
  model: { param: 'model', title: 'spend.model', others: false },
  provider_config: { param: 'provider_config_id', title: 'spend.providerConfig', others: false },
  provider: { param: 'provider', title: 'spend.provider', others: false },
  purpose: { param: 'purpose', title: 'usage.purpose', others: false },
  user: { param: 'user_id', title: 'spend.person', others: true },
  group: { param: 'group_id', title: 'spend.group', others: true },
  api_key: { param: 'api_key_id', title: 'spend.key', others: false },
  end_user: { param: 'end_user', title: 'spend.endUser', others: false },
};

export const dimensions = (everybody: boolean): Dimension[] =>
  (Object.keys(DIMENSIONS) as Dimension[]).filter((name) => everybody || !DIMENSIONS[name].others);

/** The group of the calls that belong to none, which no parameter picks. */
export const isNone = (group: Dimension, key: string): boolean =>
  key === '' || (key === 'none' && (group === 'group' || group === 'api_key' || group === 'provider_config'));

/** As many groups as the server names, those with the most calls. */
export const MOST_GROUPS = 1000;

/** What is to be known of sums by these groups where so many are shown. */
export function useGroupHint(group: Dimension, shown: number): string | undefined {
  const { t } = useTranslation();
  const format = useFormat();
  if (group === 'group') return t('spend.groupsHint');
  if (group !== 'end_user') return undefined;
  return shown < MOST_GROUPS ? t('spend.endUsersHint') : t('spend.endUsersMost', { most: format.number(MOST_GROUPS) });
}

/** What people call a group of calls. */
export function useGroupName(group: Dimension): (row: UsageRow) => string {
  const { t } = useTranslation();
  return ({ key, label }) => {
    if (isNone(group, key)) {
      return group === 'group' || group === 'api_key' || group === 'provider_config' || group === 'end_user'
        ? t(`spend.none.${group}`)
        : '—';
    }
    const purpose = group === 'purpose' ? purposeKey(key) : undefined;
    if (purpose) return t(`usage.purposes.${purpose}`);
    if (group === 'provider' && key === 'local') return t('chat.localModels');
    return label ?? key;
  };
}
