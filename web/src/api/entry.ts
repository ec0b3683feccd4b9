import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { request } from '@/lib/http';
import { signWithPasskey, type AssertionJson, type RequestOptionsJson } from '@/lib/webauthn';
import { meQuery, useEnter } from './identity';
import { endSession } from './query-client';
import type { InvitationView, Me, RegistrationState, SecondFactorChallenge, SignInMethods } from './types';

/** What leads to a session: signing in, registering, links from letters. */

const post = <T>(path: string, body?: unknown) => request<T>(path, { method: 'POST', body, refresh: false });

export const methodsQuery = queryOptions({
  queryKey: ['sign-in-methods'],
  queryFn: ({ signal }) => request<SignInMethods>('/auth/methods', { signal, refresh: false }),
});

export const registrationQuery = queryOptions({
  queryKey: ['registration'],
  queryFn: ({ signal }) => request<RegistrationState>('/auth/registration', { signal, refresh: false }),
});

/** Takes an answer as the new identity, unless a second factor is asked for first. */
function useFirstStep<Input>(work: (input: Input) => Promise<Me | SecondFactorChallenge>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: work,
    onSuccess: (answer) => {
      if ('challenge' in answer) return;
      endSession();
      client.setQueryData(meQuery.queryKey, answer);
    },
  });
}

export const useSignIn = () =>
  useFirstStep((body: { login: string; password: string }) => post<Me | SecondFactorChallenge>('/auth/sign-in', body));

export const usePasskeySignIn = () =>
  useFirstStep(async () => {
    const options = await post<RequestOptionsJson>('/auth/passkey/options');
    return post<Me>('/auth/passkey', { credential: await signWithPasskey(options) });
  });

export interface SecondStep {
  challenge: string;
  code?: string;
  passkey?: AssertionJson;
}

export const useSecondStep = () => useEnter<SecondStep>('/auth/sign-in/second-factor');

/** A sign-in that came back from an issuer and waits for its second factor. */
export const pendingSignInQuery = (challenge: string) =>
  queryOptions({
    queryKey: ['pending-sign-in', challenge],
    queryFn: () => post<SecondFactorChallenge>('/auth/sign-in/pending', { challenge }),
    staleTime: Infinity,
    retry: false,
  });

/** Leaves for the issuer's page. */
export function useOidcSignIn() {
  return useMutation({
    mutationFn: ({ id, returnTo }: { id: string; returnTo: string }) =>
      post<{ redirect_to: string }>(`/auth/oidc/${id}/start`, { return_to: returnTo }),
    onSuccess: ({ redirect_to }) => location.assign(redirect_to),
  });
}

export function useConfirmOidcLink() {
  return useMutation({
    mutationFn: (token: string) => request('/me/oidc-accounts/confirm', { method: 'POST', body: { token } }),
  });
}

export interface Registration {
  username: string;
  email: string;
  password: string;
  display_name?: string;
  language: string;
}

export function useRegister() {
  return useMutation({
    mutationFn: (body: Registration) => post<{ confirmation: 'mail' | 'none' }>('/auth/register', body),
  });
}

export function useConfirmRegistration() {
  return useMutation({ mutationFn: (token: string) => post<undefined>('/auth/register/confirm', { token }) });
}

export function useVerifyEmail() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (token: string) => post<undefined>('/auth/verify-email', { token }),
    onSuccess: () => client.removeQueries({ queryKey: meQuery.queryKey }),
  });
}

export const invitationQuery = (token: string) =>
  queryOptions({
    queryKey: ['invitation', token],
    queryFn: () => post<InvitationView>('/auth/invitation', { token }),
    staleTime: Infinity,
    retry: false,
  });

export interface Acceptance {
  token: string;
  username: string;
  email?: string;
  password: string;
  display_name?: string;
}

export const useAcceptInvitation = () => useEnter<Acceptance>('/auth/invitation/accept');

export function useRequestPasswordReset() {
  return useMutation({ mutationFn: (login: string) => post<undefined>('/auth/password-reset', { login }) });
}

export function useResetPassword() {
  return useMutation({
    mutationFn: (body: { token: string; password: string }) => post<undefined>('/auth/password-reset/confirm', body),
  });
}
