import { BarChart } from 'echarts/charts';
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { theme } from 'antd';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { UsageRow } from '@/api/types';
import { useFormat } from '@/lib/use-format';
import styles from './gateway.module.css';
import { fillDays, type Metric } from './usage-data';

echarts.use([BarChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, CanvasRenderer]);

interface UsageChartProps {
  items: UsageRow[];
  metric: Metric;
  days: number;
}

export default function UsageChart({ items, metric, days }: UsageChartProps) {
  const { t } = useTranslation();
  const { token } = theme.useToken();
  const format = useFormat();
  const host = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const chart = echarts.init(element);
    const rows = fillDays(items, days, new Date());
    const bar = (name: string, color: string, pick: (row: UsageRow) => number) => ({
      name,
      type: 'bar' as const,
      stack: 'all',
      color,
      barMaxWidth: 26,
      itemStyle: { borderRadius: 2 },
      data: rows.map(pick),
    });
    const series = {
      tokens: [
        bar(t('usage.promptTokens'), token.colorPrimary, (row) => row.prompt_tokens),
        bar(t('usage.completionTokens'), '#22a699', (row) => row.completion_tokens),
      ],
      calls: [bar(t('usage.callCount'), token.colorPrimary, (row) => row.calls)],
      cost: [bar(t('usage.cost'), token.colorPrimary, (row) => Number(row.cost ?? 0))],
    }[metric];
    const text = { color: token.colorTextSecondary, fontFamily: token.fontFamily };
    chart.setOption({
      animation: token.motion,
      aria: { enabled: true },
      textStyle: text,
      grid: { left: 8, right: 8, top: 40, bottom: 4, outerBoundsMode: 'same' },
      legend: { top: 0, left: 0, icon: 'roundRect', itemWidth: 12, itemHeight: 12, textStyle: text },
      tooltip: {
        trigger: 'axis',
        axisPointer: { type: 'shadow' },
        backgroundColor: token.colorBgElevated,
        borderColor: token.colorBorderSecondary,
        textStyle: { color: token.colorText },
        valueFormatter: (value: unknown) => (metric === 'cost' ? format.cost(Number(value)) : format.number(Number(value))),
      },
      xAxis: {
        type: 'category',
        data: rows.map((row) => format.date(`${row.key}T12:00:00`)),
        axisTick: { show: false },
        axisLine: { lineStyle: { color: token.colorBorder } },
        axisLabel: { ...text, hideOverlap: true },
      },
      yAxis: {
        type: 'value',
        minInterval: metric === 'cost' ? undefined : 1,
        splitLine: { lineStyle: { color: token.colorBorderSecondary } },
        axisLabel: { ...text, formatter: (value: number) => format.compact(value) },
      },
      series,
    });
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.dispose();
    };
  }, [items, metric, days, token, t, format]);

  return <div ref={host} className={styles.chart} role="img" aria-label={t('usage.overTime')} />;
}
