import { ConfigProvider } from 'antd';
import { expect, test, vi } from 'vitest';
import { renderInApp, setUpApp } from '@/components/test-app';
import UsageChart from './usage-chart';

const chart = vi.hoisted(() => ({ setOption: vi.fn(), resize: vi.fn(), dispose: vi.fn() }));

vi.mock('echarts/core', () => ({ use: vi.fn(), init: () => chart }));
vi.mock('echarts/charts', () => ({ BarChart: {} }));
vi.mock('echarts/components', () => ({ AriaComponent: {}, GridComponent: {}, LegendComponent: {}, TooltipComponent: {} }));
vi.mock('echarts/renderers', () => ({ CanvasRenderer: {} }));

setUpApp();

test.each([true, false])('bars move only where there is to be motion: %s', (motion) => {
  renderInApp(
    <ConfigProvider theme={{ token: { motion } }}>
      <UsageChart items={[]} metric="tokens" days={7} />
    </ConfigProvider>,
  );
  expect(chart.setOption).toHaveBeenLastCalledWith(expect.objectContaining({ animation: motion }));
});
