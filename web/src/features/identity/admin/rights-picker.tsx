import { useQuery } from '@tanstack/react-query';
import { Checkbox } from 'antd';
import { useTranslation } from 'react-i18next';
import { rightsQuery } from '@/api/access';
import { QueryState } from '@/components/states';
import styles from './admin.module.css';
import { byResource, useRightText } from './rights';

interface RightsPickerProps {
  id?: string;
  value?: string[];
  onChange?: (patterns: string[]) => void;
}

const EVERYTHING = '*:*';

/** Chooses the rights of a role; all of a resource is one pattern, so that later rights are in it. */
export function RightsPicker({ id, value = [], onChange }: RightsPickerProps) {
  const { t } = useTranslation();
  const text = useRightText();
  const rights = useQuery(rightsQuery);
  const everything = value.includes(EVERYTHING);
  const known = byResource(rights.data?.items ?? []);
  // Presets name resources that have no page yet; a copy keeps them.
  for (const pattern of value) {
    const [resource = '*'] = pattern.split(':');
    if (resource !== '*' && !known.has(resource)) known.set(resource, []);
  }
  const without = (resource: string) => value.filter((pattern) => !pattern.startsWith(`${resource}:`));
  const choose = (resource: string, actions: string[]) =>
    onChange?.([...without(resource), ...actions.map((action) => `${resource}:${action}`)]);
  return (
    <QueryState query={rights}>
      {() => (
        <div className={styles.rights} id={id} role="group" aria-label={t('roles.rights')} tabIndex={0}>
          <div>
            <Checkbox
              checked={everything}
              onChange={(event) => onChange?.(event.target.checked ? [EVERYTHING] : [])}
            >
              {t('roles.all')}
            </Checkbox>
          </div>
          {[...known].map(([resource, actions]) => {
            const all = everything || value.includes(`${resource}:*`);
            const chosen = actions.filter((action) => value.includes(`${resource}:${action}`));
            return (
              <div key={resource}>
                <Checkbox
                  checked={all}
                  disabled={everything}
                  indeterminate={!all && chosen.length > 0}
                  onChange={(event) => choose(resource, event.target.checked ? ['*'] : [])}
                >
                  <strong>{text.resource(resource)}</strong>
                </Checkbox>
                <Checkbox.Group
                  value={all ? actions : chosen}
                  disabled={all}
                  aria-label={text.resource(resource)}
                  options={actions.map((action) => ({ value: action, label: text.action(action) }))}
                  onChange={(picked) => choose(resource, picked)}
                />
              </div>
            );
          })}
        </div>
      )}
    </QueryState>
  );
}
