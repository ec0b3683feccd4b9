import { useQuery } from '@tanstack/react-query';
import { Tag, Tooltip } from 'antd';
import { useTranslation } from 'react-i18next';
import { routeHealthQuery, useDeleteRoute } from '@/api/traffic';
import type { ModelRoute, RouteTarget, TargetHealth } from '@/api/types';
import { StatusDot, type Tone } from '@/components/status-dot';
import { usePermits } from '@/components/use-permits';
import { useAct } from '@/lib/use-act';
import { useFormat } from '@/lib/use-format';
import styles from '@/features/gateway/gateway.module.css';
import { RowButtons } from '@/features/gateway/row-buttons';
import own from './routes.module.css';

const TONES = { healthy: 'ok', cooling: 'bad', probing: 'busy' } satisfies Record<TargetHealth['state'], Tone>;

/** A route, its models in their order, and how each is doing. */
export function RouteCard({ route, onEdit }: { route: ModelRoute; onEdit: () => void }) {
  const { t } = useTranslation();
  const may = usePermits();
  const { confirm } = useAct();
  const remove = useDeleteRoute();
  const health = useQuery(routeHealthQuery(route.id));
  const states = new Map((health.data?.items ?? []).map((item) => [item.model_config_id, item]));
  const ask = () =>
    confirm({
      title: t('routes.delete'),
      content: t('routes.deleteHint', { name: route.name }),
      okText: t('common.delete'),
      act: () => remove.mutateAsync(route.id),
    });
  return (
    <li className={styles.provider} data-route={route.name}>
      <div className={styles.providerHead}>
        <div className={styles.providerName}>
          <strong>{route.name}</strong>
          {route.description && <span>{route.description}</span>}
        </div>
        <span className={own.tags}>
          {!route.is_active ? (
            <Tag color="warning">{t('routes.off')}</Tag>
          ) : (
            !route.available && <Tag color="warning">{t('routes.unavailable')}</Tag>
          )}
          <Tag>{t(`models.kinds.${route.kind}`)}</Tag>
          <Tag>{t(`routes.scopes.${route.scope}`)}</Tag>
        </span>
        {route.editable && may('model:write') && <RowButtons name={route.name} onEdit={onEdit} onDelete={ask} />}
      </div>
      <ol className={own.targets}>
        {route.targets.map((target) => (
          <li key={target.model_config_id}>
            <TargetLine
              target={target}
              health={states.get(target.model_config_id)}
              shared={route.targets.some((other) => other !== target && other.priority === target.priority)}
            />
          </li>
        ))}
      </ol>
      {health.isError && <p className={styles.muted}>{t('routes.healthFailed')}</p>}
    </li>
  );
}

interface TargetLineProps {
  target: RouteTarget;
  health: TargetHealth | undefined;
  /** Whether others stand on the same step, so that weights count. */
  shared: boolean;
}

function TargetLine({ target, health, shared }: TargetLineProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const provider = target.provider === 'local' ? t('chat.localModels') : (target.provider_config_name ?? target.provider);
  return (
    <>
      <span className={own.step} aria-hidden>
        {target.priority}
      </span>
      <div className={styles.rowText}>
        <span>
          <span className="visually-hidden">{`${t('routes.priority')} ${target.priority}: `}</span>
          {target.name} {shared && <Tag>{t('routes.share', { weight: target.weight })}</Tag>}
          {!target.usable && <Tag color="warning">{t('routes.notUsable')}</Tag>}
        </span>
        <small>{provider}</small>
      </div>
      {health && (
        <Tooltip title={t('routes.healthHint')}>
          <div className={own.state}>
            <StatusDot tone={TONES[health.state]}>
              {t(`routes.state.${health.state}`)}
              {health.cooling_until && ` ${t('routes.until', { time: format.dateTime(health.cooling_until) })}`}
            </StatusDot>
            <small>
              {health.calls === 0
                ? t('routes.noCalls')
                : t('routes.failures', { failures: format.number(health.failures), calls: format.number(health.calls) })}
              {health.p50_latency_ms != null && ` · ${t('routes.median', { time: format.duration(health.p50_latency_ms) })}`}
            </small>
          </div>
        </Tooltip>
      )}
    </>
  );
}
