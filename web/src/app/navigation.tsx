import {
  ApiOutlined,
  AuditOutlined,
  BarChartOutlined,
  BookOutlined,
  DashboardOutlined,
  DeploymentUnitOutlined,
  KeyOutlined,
  MessageOutlined,
  TeamOutlined,
} from '@ant-design/icons';
import type { ReactNode } from 'react';

export interface Area {
  to:
    | '/chat'
    | '/knowledge'
    | '/models'
    | '/providers'
    | '/usage'
    | '/api-keys'
    | '/admin/users'
    | '/admin/audit'
    | '/admin/status';
  label:
    | 'chat'
    | 'knowledge'
    | 'models'
    | 'providers'
    | 'usage'
    | 'apiKeys'
    | 'users'
    | 'audit'
    | 'status';
  icon: ReactNode;
  /** The right without which the area is not shown. */
  permission?: string;
}

export const AREAS: Area[] = [
  { to: '/chat', label: 'chat', icon: <MessageOutlined /> },
  { to: '/knowledge', label: 'knowledge', icon: <BookOutlined />, permission: 'knowledge_base:read' },
  { to: '/models', label: 'models', icon: <DeploymentUnitOutlined />, permission: 'model:read' },
  { to: '/providers', label: 'providers', icon: <ApiOutlined />, permission: 'provider:read' },
  { to: '/usage', label: 'usage', icon: <BarChartOutlined />, permission: 'usage:read' },
  { to: '/api-keys', label: 'apiKeys', icon: <KeyOutlined />, permission: 'api_key:read' },
];

export const ADMIN_AREAS: Area[] = [
  { to: '/admin/users', label: 'users', icon: <TeamOutlined />, permission: 'user:read' },
  { to: '/admin/audit', label: 'audit', icon: <AuditOutlined />, permission: 'audit:read' },
  { to: '/admin/status', label: 'status', icon: <DashboardOutlined />, permission: 'system:read' },
];
