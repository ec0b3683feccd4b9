import { useTranslation } from 'react-i18next';
import type { AccessFinding, AccessReason } from '@/api/types';
import { useFormat } from '@/lib/use-format';

/** The sentences of an explanation in the reader's language. */
export function useAccessWords(person: string) {
  const { t } = useTranslation();
  const { date } = useFormat();
  const level = (name: string) => t(`access.levels.${name as 'use'}`, { defaultValue: name });
  const finding = (found: AccessFinding): string => {
    switch (found.code) {
      case 'person_active':
      case 'no_role':
      case 'object_missing':
        return t(`access.findings.${found.code}`, { person });
      case 'person_blocked':
        return t('access.findings.person_blocked', { person, block: t(`access.blocks.${found.block}`) });
      case 'right_held':
        return t('access.findings.right_held', { person, right: found.right });
      case 'right_missing':
        return t('access.findings.right_missing', { person, right: found.right, roles: found.roles.join(', ') });
      case 'object_reached':
      case 'no_way_gives':
        return t(`access.findings.${found.code}`, { person, object: found.object, level: level(found.level) });
      case 'no_way':
        return t('access.findings.no_way', {
          person,
          object: found.object,
          audience: t(`access.audiences.${found.audience as 'private'}`, { defaultValue: found.audience }),
          owner: found.owner ?? t('access.organisation'),
        });
      case 'key_holds': {
        const { key, right, models, addresses } = found;
        const sentences = [t('access.findings.key_holds', { key, right })];
        if (models) sentences.push(t('access.findings.key_models', { models: models.join(', ') }));
        if (addresses.length > 0) sentences.push(t('access.findings.key_from', { addresses: addresses.join(', ') }));
        return sentences.join(' ');
      }
      case 'key_lacks':
        return t('access.findings.key_lacks', { key: found.key, right: found.right });
      case 'key_blocked':
        return t('access.findings.key_blocked', { key: found.key, block: t(`access.blocks.${found.block}`) });
    }
  };
  const way = (found: AccessReason['way']): string => {
    switch (found.code) {
      case 'role':
        return t('access.ways.role', { role: found.role, pattern: found.pattern });
      case 'owner':
        return t('access.ways.owner');
      case 'everyone':
        return t('access.ways.everyone', { level: level(found.level) });
      case 'person':
        return t(found.granted_by ? 'access.ways.person_by' : 'access.ways.person', {
          level: level(found.level),
          by: found.granted_by,
          on: date(found.granted_at),
        });
      case 'group':
        return t(found.granted_by ? 'access.ways.group_by' : 'access.ways.group', {
          level: level(found.level),
          group: found.group,
          by: found.granted_by,
          on: date(found.granted_at),
        });
    }
  };
  /** What was looked at, and why it does not count. */
  const reason = (found: AccessReason): string[] => {
    const sentences = [way(found.way)];
    if (found.blocked_by) sentences.push(t('access.blocked', { block: t(`access.blocks.${found.blocked_by}`) }));
    else if (found.short_of) sentences.push(t('access.shortOf', { level: level(found.short_of) }));
    return sentences;
  };
  return { finding, reason };
}
