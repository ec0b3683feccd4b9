import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import type { AccessSearch } from '@/api/access';
import { meQuery, mustEnrol, setupQuery } from '@/api/identity';
import { endSession, queryClient } from '@/api/query-client';
import { isStatus, onSignedOut } from '@/lib/http';
import { applyPreferences } from '@/lib/preferences';
import { safeReturnPath } from '@/lib/safe-url';
import { ListSkeleton } from '@/components/states';
import { Crash, NotFound } from './fallbacks';
import { Shell } from './shell';

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const rootRoute = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Crash });

const setupRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/setup',
  validateSearch: (search: Record<string, unknown>): { token?: string } => ({ token: text(search['token']) }),
  component: lazyRouteComponent(() => import('@/features/identity/setup-page'), 'SetupPage'),
});

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: (search: Record<string, unknown>): { to?: string; error?: string } => ({
    to: text(search['to']),
    error: text(search['error']),
  }),
  beforeLoad: async () => {
    const setup = await queryClient.query({ ...setupQuery, staleTime: 'static' }).catch(() => undefined);
    if (setup?.needed) throw redirect({ to: '/setup' });
  },
  component: lazyRouteComponent(() => import('@/features/identity/sign-in-page'), 'SignInPage'),
});

/** Pages for people who have no session (yet). */
const entry = <Path extends string>(path: Path, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({
    getParentRoute: () => rootRoute,
    path,
    component: lazyRouteComponent(load as () => Promise<Record<string, () => React.JSX.Element>>, name),
  });

const enrolRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/second-factor',
  validateSearch: (search: Record<string, unknown>): { to?: string } => ({ to: text(search['to']) }),
  component: lazyRouteComponent(() => import('@/features/identity/enrol-page'), 'EnrolPage'),
});

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  beforeLoad: async ({ location }) => {
    try {
      const me = await queryClient.query({ ...meQuery, staleTime: 'static' });
      await applyPreferences(me.preferences);
      if (mustEnrol(me)) throw redirect({ to: '/second-factor', search: { to: location.href } });
    } catch (error) {
      if (isStatus(error, 401)) throw redirect({ to: '/sign-in', search: { to: location.href } });
      throw error;
    }
  },
  component: Shell,
});

const page = <Path extends string>(path: Path, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({
    getParentRoute: () => shellRoute,
    path,
    component: lazyRouteComponent(load as () => Promise<Record<string, () => React.JSX.Element>>, name),
  });

const profileRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/profile',
  validateSearch: (search: Record<string, unknown>): { tab?: string } => ({ tab: text(search['tab']) }),
  component: lazyRouteComponent(() => import('@/features/identity/profile-page'), 'ProfilePage'),
});

const indexRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/chat' });
  },
});

const chatRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/chat',
  validateSearch: (search: Record<string, unknown>): { base?: string } => ({ base: text(search['base']) }),
  component: lazyRouteComponent(() => import('@/features/chat/new-chat-page'), 'NewChatPage'),
});

const welcomeRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/welcome',
  validateSearch: (search: Record<string, unknown>): { base?: string; step?: 'ask' } => ({
    base: text(search['base']),
    step: search['step'] === 'ask' ? 'ask' : undefined,
  }),
  component: lazyRouteComponent(() => import('@/features/knowledge/welcome-page'), 'WelcomePage'),
});

const usersRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/admin/users',
  validateSearch: (search: Record<string, unknown>): { tab?: string } => ({ tab: text(search['tab']) }),
  component: lazyRouteComponent(() => import('@/features/identity/admin/users-page'), 'UsersPage'),
});

const accessRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: '/admin/access',
  validateSearch: (search: Record<string, unknown>): AccessSearch => ({
    user: text(search['user']),
    action: text(search['action']),
    object_type: text(search['object_type']),
    object_id: text(search['object_id']),
  }),
  component: lazyRouteComponent(() => import('@/features/identity/admin/access-page'), 'AccessPage'),
});

const routeTree = rootRoute.addChildren([
  setupRoute,
  signInRoute,
  enrolRoute,
  entry('/register', () => import('@/features/identity/register-page'), 'RegisterPage'),
  entry('/confirm-registration', () => import('@/features/identity/link-pages'), 'ConfirmRegistrationPage'),
  entry('/invitation', () => import('@/features/identity/invitation-page'), 'InvitationPage'),
  entry('/verify-email', () => import('@/features/identity/link-pages'), 'VerifyEmailPage'),
  entry('/forgot-password', () => import('@/features/identity/reset-pages'), 'ForgotPasswordPage'),
  entry('/reset-password', () => import('@/features/identity/reset-pages'), 'ResetPasswordPage'),
  shellRoute.addChildren([
    indexRoute,
    chatRoute,
    page('/chat/$conversationId', () => import('@/features/chat/conversation-page'), 'ConversationPage'),
    welcomeRoute,
    page('/knowledge', () => import('@/features/knowledge/list-page'), 'KnowledgeListPage'),
    page('/knowledge/$baseId', () => import('@/features/knowledge/detail-page'), 'KnowledgeDetailPage'),
    page('/models', () => import('@/features/gateway/models-page'), 'ModelsPage'),
    page('/routes', () => import('@/features/gateway/routes/routes-page'), 'RoutesPage'),
    page('/live', () => import('@/features/gateway/live/live-page'), 'LivePage'),
    page('/providers', () => import('@/features/gateway/providers-page'), 'ProvidersPage'),
    page('/usage', () => import('@/features/gateway/usage-page'), 'UsagePage'),
    page('/api-keys', () => import('@/features/identity/api-keys-page'), 'ApiKeysPage'),
    profileRoute,
    usersRoute,
    page('/admin/groups', () => import('@/features/identity/admin/groups-page'), 'GroupsPage'),
    page('/admin/roles', () => import('@/features/identity/admin/roles-page'), 'RolesPage'),
    page('/admin/sign-in', () => import('@/features/identity/admin/issuers-page'), 'IssuersPage'),
    page('/admin/provisioning', () => import('@/features/identity/admin/provisioning-page'), 'ProvisioningPage'),
    accessRoute,
    page('/admin/limits', () => import('@/features/gateway/limits-page'), 'LimitsPage'),
    page('/admin/audit', () => import('@/features/ops/audit-page'), 'AuditPage'),
    page('/admin/logs', () => import('@/features/ops/logs-page'), 'LogsPage'),
    page('/admin/status', () => import('@/features/ops/status-page'), 'StatusPage'),
  ]),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultPendingComponent: () => <ListSkeleton />,
  defaultErrorComponent: Crash,
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

onSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === '/sign-in' || pathname === '/setup') return;
  endSession();
  void router.navigate({ to: '/sign-in', search: { to: safeReturnPath(href) } });
});
