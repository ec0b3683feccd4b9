import { Table, type TableProps } from 'antd';
import { useEffect, useRef } from 'react';

/** A table without pages of its own, that scrolls sideways by keyboard too. */
export function DataTable<Row extends object>(props: TableProps<Row>) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    host.current?.querySelector('.ant-table-content')?.setAttribute('tabindex', '0');
  });
  return (
    <div ref={host}>
      <Table<Row> pagination={false} scroll={{ x: 'max-content' }} {...props} />
    </div>
  );
}
