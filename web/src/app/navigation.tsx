import {
  ApiOutlined,
  AuditOutlined,
  BarChartOutlined,
  BookOutlined,
  CloudSyncOutlined,
  BranchesOutlined,
  DashboardOutlined,
  DeploymentUnitOutlined,
  FieldTimeOutlined,
  FileSearchOutlined,
  KeyOutlined,
  LoginOutlined,
  MessageOutlined,
  SafetyCertificateOutlined,
  TeamOutlined,
  ThunderboltOutlined,
  UnlockOutlined,
  UserOutlined,
} from '@ant-design/icons';
import type { ReactNode } from 'react';

export interface Area {
  to:
    | '/chat'
    | '/knowledge'
    | '/models'
    | '/routes'
    | '/live'
    | '/providers'
    | '/usage'
    | '/api-keys'
    | '/admin/users'
    | '/admin/groups'
    | '/admin/roles'
    | '/admin/sign-in'
    | '/admin/provisioning'
    | '/admin/access'
    | '/admin/limits'
    | '/admin/audit'
    | '/admin/logs'
    | '/admin/status';
  label:
    | 'chat'
    | 'knowledge'
    | 'models'
    | 'routes'
    | 'live'
    | 'providers'
    | 'usage'
    | 'apiKeys'
    | 'users'
    | 'groups'
    | 'roles'
    | 'signInProviders'
    | 'provisioning'
    | 'access'
    | 'limits'
    | 'audit'
    | 'logs'
    | 'status';
  icon: ReactNode;
  /** The right without which the area is not shown. */
  permission?: string;
}

export const AREAS: Area[] = [
  { to: '/chat', label: 'chat', icon: <MessageOutlined /> },
  { to: '/knowledge', label: 'knowledge', icon: <BookOutlined />, permission: 'knowledge_base:read' },
  { to: '/models', label: 'models', icon: <DeploymentUnitOutlined />, permission: 'model:read' },
  { to: '/routes', label: 'routes', icon: <BranchesOutlined />, permission: 'model:read' },
  { to: '/providers', label: 'providers', icon: <ApiOutlined />, permission: 'provider:read' },
  { to: '/usage', label: 'usage', icon: <BarChartOutlined />, permission: 'usage:read' },
  { to: '/live', label: 'live', icon: <ThunderboltOutlined />, permission: 'usage:read' },
  { to: '/api-keys', label: 'apiKeys', icon: <KeyOutlined />, permission: 'api_key:read' },
];

export const ADMIN_AREAS: Area[] = [
  { to: '/admin/users', label: 'users', icon: <UserOutlined />, permission: 'user:read' },
  { to: '/admin/groups', label: 'groups', icon: <TeamOutlined />, permission: 'group:read' },
  { to: '/admin/roles', label: 'roles', icon: <SafetyCertificateOutlined />, permission: 'role:read' },
  { to: '/admin/sign-in', label: 'signInProviders', icon: <LoginOutlined />, permission: 'oidc_provider:read' },
  { to: '/admin/provisioning', label: 'provisioning', icon: <CloudSyncOutlined />, permission: 'scim_token:manage' },
  { to: '/admin/access', label: 'access', icon: <UnlockOutlined />, permission: 'access:explain' },
  { to: '/admin/limits', label: 'limits', icon: <FieldTimeOutlined />, permission: 'quota:read' },
  { to: '/admin/audit', label: 'audit', icon: <AuditOutlined />, permission: 'audit:read' },
  { to: '/admin/logs', label: 'logs', icon: <FileSearchOutlined />, permission: 'system:read' },
  { to: '/admin/status', label: 'status', icon: <DashboardOutlined />, permission: 'system:read' },
];
