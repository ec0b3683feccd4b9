import { useQuery } from '@tanstack/react-query';
import { Select, type SelectProps } from 'antd';
import { rolesQuery } from '@/api/access';

/** Chooses roles by their names. */
export function RoleSelect(props: SelectProps<string[]>) {
  const roles = useQuery(rolesQuery);
  return (
    <Select<string[]>
      mode="multiple"
      loading={roles.isPending}
      options={(roles.data?.items ?? []).map((role) => ({ value: role.name, label: role.name }))}
      {...props}
    />
  );
}
