import { Descriptions } from 'antd';
import type { ReactNode } from 'react';

export type Fact = [label: string, value: ReactNode];

/** What is known of something; what is empty stands not there. */
export function Facts({ facts, stacked = false }: { facts: Fact[]; stacked?: boolean }) {
  const items = facts
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([label, value]) => ({ key: label, label, children: value }));
  return <Descriptions column={1} size="small" colon={!stacked} layout={stacked ? 'vertical' : 'horizontal'} items={items} />;
}
