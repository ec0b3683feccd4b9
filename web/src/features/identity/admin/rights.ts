import { useTranslation } from 'react-i18next';

/** The actions of each resource, in the order in which the API lists them. */
export function byResource(rights: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const right of rights) {
    const [resource = '', action = ''] = right.split(':');
    found.set(resource, [...(found.get(resource) ?? []), action]);
  }
  return found;
}

/** Words for the parts of rights; a right that came later shows its own name. */
export function useRightText() {
  const { t } = useTranslation();
  const resource = (name: string) => t(`roles.resources.${name as 'user'}`, { defaultValue: name });
  const action = (name: string) =>
    name === '*' ? t('roles.every') : t(`roles.actions.${name as 'read'}`, { defaultValue: name });
  const pattern = (text: string) => {
    if (text === '*:*') return t('roles.all');
    const [left = '', right = ''] = text.split(':');
    return `${left === '*' ? t('roles.all') : resource(left)}: ${action(right)}`;
  };
  return { resource, action, pattern };
}
